import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { DocumentIndex } from '../../src/cli/document-index.ts'
import { folder } from '../../src/connectors/files/folder.ts'
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
