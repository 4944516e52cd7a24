import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { names } from '../../src/cli/documents.ts'
import { sourceAt } from '../../src/cli/source-feed.ts'
import { openLog, workspaceAt } from '../../src/cli/workspace.ts'
import { systemClock } from '../../src/clock.ts'
import { FeedRunner } from '../../src/runtime/resources/feed-runner.ts'
import { millrace } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('the documents that a run counts after an interrupted one are those of the folder, each once', async () => {
  await using root = await temporaryDirectory()
  const [documents, data] = [join(root.path, 'documents'), join(root.path, 'data')]
  await mkdir(documents)
  const write = (name: string, text: string) => writeFile(join(documents, name), `# ${name}\n\n${text}\n`)
  const index = async () => {
    const { stdout } = await millrace(['index', documents, '--data', data, '--model', 'hash', '--json'])
    return JSON.parse(stdout).documents
  }
  await write('known.md', 'As it was.')
  await write('empty.md', 'Of no length later.')
  await index()
  for (const name of ['a.md', 'b.md', 'gone.md', 'edited.md']) await write(name, 'New.')
  await write('empty.md', '')
  await readOnly(documents, data)

  await rm(join(documents, 'gone.md'))
  await write('edited.md', 'Newer.')
  const counts = await index()

  expect(counts).toMatchObject({ new: 3, unchanged: 1 })
  expect(counts.new + counts.changed + counts.metadataOnly + counts.unchanged).toBe(5)

  await rm(workspaceAt(data).indexFile)
  expect(await index()).toMatchObject({ new: 5, changed: 0, unchanged: 0, deleted: 0 })
})

/** What is left of a run that is killed when it has read the folder and indexed nothing of it. */
async function readOnly(documents: string, data: string): Promise<void> {
  const { feed } = await sourceAt(documents, { data })
  await using log = openLog(workspaceAt(data))
  await log.open()
  const { topic, cursorTopic } = names
  const runner = new FeedRunner({ feed, broker: log, topic, cursorTopic, clock: systemClock })
  await runner.run(new AbortController().signal)
}
