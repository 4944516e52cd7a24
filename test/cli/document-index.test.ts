import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { driftOf } from '../../src/cli/audit-report.ts'
import { DocumentIndex } from '../../src/cli/document-index.ts'
import { names } from '../../src/cli/documents.ts'
import { openLog, workspaceAt } from '../../src/cli/workspace.ts'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { folder } from '../../src/connectors/files/folder.ts'
import { hash } from '../../src/embed/hash.ts'
import { noHeaders } from '../../src/record.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** The texts that were embedded as questions. */
const questions = vi.hoisted(() => [] as string[])
vi.mock('../../src/embed/hash.ts', async (importOriginal) => {
  const { hash } = await importOriginal<typeof import('../../src/embed/hash.ts')>()
  const observed: typeof hash = (options) => {
    const embedder = hash(options)
    return {
      ...embedder,
      embed: (texts, signal, call) => {
        if (call?.inputType === 'query') questions.push(...texts)
        return embedder.embed(texts, signal, call)
      },
    }
  }
  return { hash: observed }
})

test('a question that is asked again is not embedded again, and finds what is there now', async () => {
  await using root = await temporaryDirectory()
  const documents = join(root.path, 'documents')
  await mkdir(documents)
  await writeFile(join(documents, 'mill.md'), '# Mill\n\nA mill grinds grain with the power of water.\n')
  await using index = await DocumentIndex.open({ data: join(root.path, 'data'), model: 'hash' })
  const read = () => index.read(folder({ path: documents }), { signal: new AbortController().signal })
  await read()

  const first = await index.search('what grinds grain', 5)
  await writeFile(join(documents, 'stone.md'), '# Stone\n\nThe stone of a mill grinds grain.\n')
  await read()
  const second = await index.search('what grinds grain', 5)

  expect(questions).toEqual(['what grinds grain'])
  expect([first.length, second.length]).toEqual([1, 2])
})

test('what an earlier run has read and not indexed counts as work to do, and as done when it is in the index', async () => {
  await using root = await temporaryDirectory()
  const options = { data: join(root.path, 'data'), model: 'hash' }
  await (await DocumentIndex.open(options)).close()
  await appendDocuments(options.data, ['a.md', 'b.md'])

  await using index = await DocumentIndex.open(options)
  const { backlog } = index
  const documents = join(root.path, 'documents')
  await mkdir(documents)
  await index.read(folder({ path: documents }), { signal: new AbortController().signal })

  expect([backlog, index.observer.records, index.stats.pointsWritten]).toEqual([2, 2, 2])
})

describe('an index that has lost what was in it', () => {
  test.each([
    ['its file was deleted', (file: string) => rm(file)],
    ['its file is empty', (file: string) => writeFile(file, '')],
    ['an earlier run has made an empty one', emptied],
  ])('is filled again: %s', async (_, lose) => {
    await using root = await temporaryDirectory()
    const options = { data: join(root.path, 'data'), model: 'hash' }
    const documents = join(root.path, 'documents')
    await mkdir(documents)
    await writeFile(join(documents, 'mill.md'), '# Mill\n\nA mill grinds grain.\n')
    await writeFile(join(documents, 'stone.md'), '# Stone\n\nThe stone turns.\n')
    const run = async () => {
      await using index = await DocumentIndex.open(options)
      await index.read(folder({ path: documents }), { signal: new AbortController().signal })
      return { embedded: index.observer.chunks.embedded, audit: driftOf(await index.audit()) }
    }
    const first = await run()
    await lose(workspaceAt(options.data).indexFile)

    expect([first, await run(), await run()]).toEqual([
      { embedded: 2, audit: 0 },
      { embedded: 2, audit: 0 },
      { embedded: 0, audit: 0 },
    ])
  })
})

/** The file of an index with nothing in it. */
async function emptied(file: string): Promise<void> {
  await rm(file)
  const index = sqliteIndex({ path: file })
  await index.open({ id: 'other', dimensions: hash().dimensions })
  await index.close()
}

/** Writes documents into the log of a workspace, as a run that is stopped before it has indexed them. */
async function appendDocuments(data: string, keys: readonly string[]): Promise<void> {
  const log = openLog(workspaceAt(data))
  await log.open()
  const producer = await log.producer()
  const record = { topic: names.topic, partition: 0, timestamp: 0, headers: noHeaders }
  const text = (path: string) => Buffer.from(JSON.stringify({ path, text: `About ${path}.` }))
  await producer.send(keys.map((key) => ({ ...record, key: Buffer.from(key), value: text(key) })))
  await producer.close()
  await log.close()
}
