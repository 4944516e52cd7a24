import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { millraceHere } from '../support/command-here.ts'
import { holds } from '../support/command-line.ts'
import { type DocumentFolder, documentFolder } from '../support/document-folder.ts'

const timeout = 60_000
const two = { 'docs/a.md': '# A\n\nAbout apples.\n', 'docs/b.md': '# B\n\nAbout bees.\n' }

/** The commands run in this process, `docs` and `data` being those of the folder. */
async function indexedFolder(): Promise<DocumentFolder> {
  const folder = await documentFolder(two)
  const run = async (...words: string[]) => {
    const placed = words.map((word) => (word === 'docs' || word === 'data' ? join(folder.path, word) : word))
    return { ...(await millraceHere(placed)), signal: null }
  }
  const index = async (...words: string[]) => {
    const result = await run('index', '--data', 'data', '--model', 'hash', '--json', ...words)
    return { ...result, summary: result.stdout ? JSON.parse(result.stdout) : {} }
  }
  const indexed = async () => {
    const { stdout } = await run('export', '--data', 'data')
    const points = stdout.split('\n').filter(Boolean)
    return points.map((line) => JSON.parse(line).key as string).sort()
  }
  await index('docs')
  return { ...folder, run, index, indexed }
}

describe('damaged files', { timeout }, () => {
  test('of the lock are made anew: nothing in it is worth keeping', async () => {
    await using folder = await indexedFolder()

    await folder.put('data/lock/CURRENT', 'nothing that LevelDB writes')
    const audit = await folder.run('audit', '--data', 'data')
    await folder.put('data/lock/CURRENT', '')
    const { summary } = await folder.index('docs')

    expect(audit.stdout).toContain('The index is right.')
    expect(summary.documents).toMatchObject({ new: 0, deleted: 0 })
  })

  test('of the lock do not let a second process in', async () => {
    await using folder = await indexedFolder()
    await folder.put('docs/c.md', 'About cats.')
    const first = folder.start('index', 'docs', '--data', 'data', '--model', 'hash', '--watch')
    await holds(async () => (await folder.indexed()).length === 3, first)
    await folder.put('data/lock/CURRENT', 'nothing that LevelDB writes')

    const second = await folder.index('docs', '--reindex')
    first.child.kill('SIGTERM')

    expect(second.stderr).toMatch(/^STATE_LOCKED: another process works in \S+\/data\./)
    expect((await first.result).code).toBe(0)
  })

  test.each([
    ['CURRENT', ''],
    ['MANIFEST-000002', 'nothing that LevelDB writes'],
  ])('of the log are said, with the way out (%s: "%s")', async (file, content) => {
    await using folder = await indexedFolder()
    await folder.put(`data/log/${file}`, content)

    const index = await folder.index('docs')
    const audit = await folder.run('audit', '--data', 'data')
    const dlq = await folder.run('dlq', 'list', '--data', 'data')
    const again = await folder.index('docs', '--reindex')

    for (const { stderr, code } of [index, audit, dlq]) {
      expect(stderr).toMatch(
        /^STATE_CORRUPT: the store in \S+\/data\/log is damaged: .*\. Run `.* index <source> --reindex`/,
      )
      expect(stderr).not.toContain('Nothing to do')
      expect(code).toBe(1)
    }
    expect(again.summary.documents?.new).toBe(2)
    expect(await folder.indexed()).toEqual(['a.md', 'b.md'])
  })
})

test('state of another version is refused, with the way out', { timeout }, async () => {
  await using folder = await indexedFolder()
  await folder.put('data/state/index/format', '7\n')

  const { stderr } = await folder.index('docs')
  const { summary } = await folder.index('docs', '--reindex')

  expect(stderr).toMatch(
    /^STATE_FORMAT: \S+\/data\/state\/index has format 7; .*Run the version that wrote it, or `.* --reindex`/,
  )
  expect(summary.documents?.new).toBe(2)
})

describe('a log that is gone', { timeout }, () => {
  test.each([
    ['audit', ['audit', '--data', 'data']],
    ['tap', ['tap', 'data', 'documents']],
    ['dlq list', ['dlq', 'list', '--data', 'data']],
  ])('is named by `%s`, with the way out', async (_, command) => {
    await using folder = await indexedFolder()
    await rm(join(folder.path, 'data/log'), { recursive: true })

    const { stderr, code } = await folder.run(...command)

    expect(stderr).toMatch(
      /^STATE_CORRUPT: the log in \S+\/data\/log was never filled, or has lost what the index was made from\. Run `.* index <source> --reindex`/,
    )
    expect(code).toBe(1)
  })
})

describe('an index whose log has lost everything', { timeout }, () => {
  test.each<[string, (folder: DocumentFolder) => Promise<void>]>([
    ['was deleted', (folder) => rm(join(folder.path, 'data/log'), { recursive: true })],
    ['is garbled', (folder) => folder.put('data/log/000003.log', 'no record of LevelDB'.repeat(100))],
  ])('because it %s is refused, for nobody knows what has to be deleted in it', async (_, damage) => {
    await using folder = await indexedFolder()
    await folder.remove('docs/a.md')
    await damage(folder)
    await rm(join(folder.path, 'data/state'), { recursive: true })

    const first = await folder.index('docs')
    const second = await folder.index('docs')
    await folder.index('docs', '--reindex')

    for (const { stderr, code } of [first, second]) {
      expect(stderr).toMatch(
        /^STATE_CORRUPT: the log in \S+\/data\/log has lost what the index was made from\. Run `.* --reindex`/,
      )
      expect(code).toBe(1)
    }
    expect(await folder.indexed()).toEqual(['b.md'])
  })
})

describe('an index whose workspace.json', { timeout }, () => {
  const lost =
    /^INDEX_CORRUPT: the index in \S+\/data has no workspace\.json that can be read\. Run `.* index <source> --reindex`/

  test.each([
    ['is garbled', '{"format":1,"model":"ha'],
    ['is empty', ''],
    ['is gone', undefined],
  ])('%s is called an index, and made anew by --reindex', async (_, content) => {
    await using folder = await indexedFolder()
    await folder.put('data/notes.txt', 'mine')
    if (content === undefined) await folder.remove('data/workspace.json')
    else await folder.put('data/workspace.json', content)

    const refused = [await folder.index('docs'), await folder.run('search', 'apples', '--data', 'data')]
    const { summary } = await folder.index('docs', '--reindex')

    for (const { stderr, code } of refused) {
      expect(stderr).toMatch(lost)
      expect(code).toBe(1)
    }
    expect(summary.documents?.new).toBe(2)
    expect(await readFile(join(folder.path, 'data/notes.txt'), 'utf8')).toBe('mine')
    expect((await folder.run('audit', '--data', 'data')).stdout).toContain('The index is right.')
  })

  test('is of a newer version is not touched by --reindex', async () => {
    await using folder = await indexedFolder()
    await folder.put('data/workspace.json', '{"format":2}')

    const { stderr } = await folder.index('docs', '--reindex')
    await folder.put('data/workspace.json', '')
    const after = await folder.run('audit', '--data', 'data')

    expect(stderr).toMatch(/^STATE_FORMAT: .*workspace\.json was not written by this version/)
    expect(after.stderr).toMatch(lost)
  })
})
