import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { holds } from '../support/command-line.ts'
import { documentFolder } from '../support/document-folder.ts'

const timeout = 60_000
const two = { 'docs/a.md': '# A\n\nAbout apples.\n', 'docs/b.md': '# B\n\nAbout bees.\n' }

describe('--reindex', { timeout }, () => {
  test('starts over, and leaves alone what is not of the index', async () => {
    await using folder = await documentFolder(two)
    await folder.index('docs')
    await folder.put('data/notes.txt', 'mine')

    const { summary, code } = await folder.index('docs', '--reindex')

    expect(code).toBe(0)
    expect(summary.documents?.new).toBe(2)
    expect(await readFile(join(folder.path, 'data/notes.txt'), 'utf8')).toBe('mine')
  })

  test('does not touch a folder that never was an index', async () => {
    await using folder = await documentFolder({ ...two, 'data/log/diary.txt': 'mine', 'data/photo.jpg': 'mine' })

    const { stderr, code } = await folder.index('docs', '--reindex')

    expect(stderr).toMatch(/^USAGE: the folder data holds "log" and is no index of Millrace\. Name a folder of its own/)
    expect(code).toBe(2)
    expect((await readdir(join(folder.path, 'data'), { recursive: true })).sort()).toEqual([
      'log',
      'log/diary.txt',
      'photo.jpg',
    ])
  })

  test('makes an index where there is none yet', async () => {
    await using folder = await documentFolder(two)

    expect((await folder.index('docs', '--reindex')).summary.documents?.new).toBe(2)
  })

  test('deletes nothing while another process works there, and that one goes on', async () => {
    await using folder = await documentFolder(two)
    const first = folder.start('index', 'docs', '--data', 'data', '--model', 'hash', '--watch')
    await holds(async () => (await folder.indexed()).length === 2, first)

    const second = await folder.index('docs', '--reindex')
    await folder.put('docs/c.md', 'About cats.')
    await holds(async () => (await folder.indexed()).length === 3, first)
    const audit = await folder.run('audit', '--data', 'data')
    first.child.kill('SIGTERM')
    await first.result

    expect(second.stderr).toMatch(/^STATE_LOCKED: another process works in data\./)
    expect(second.code).toBe(1)
    expect(audit.stderr).toMatch(
      /another process works in data\. Stop it, then run `audit` again; `search` and `export`/,
    )
    expect((await folder.run('audit', '--data', 'data')).stdout).toContain('The index is right.')
  })

  test('mends an index whose file is damaged, as the error says', async () => {
    await using folder = await documentFolder(two)
    await folder.index('docs')
    await folder.put('data/index.db', 'not a database, and long enough to look like one'.repeat(1_000))

    const { stderr } = await folder.index('docs')
    await folder.index('docs', '--reindex')

    expect(stderr).toMatch(/^INDEX_(CORRUPT|MISMATCH): .*--reindex/)
    expect(await folder.indexed()).toEqual(['a.md', 'b.md'])
  })

  test('that was cut off is finished by the next run', async () => {
    await using folder = await documentFolder(two)
    await folder.index('docs')
    const card = join(folder.path, 'data/workspace.json')
    await writeFile(card, JSON.stringify({ ...JSON.parse(await readFile(card, 'utf8')), emptying: true }))
    await rm(join(folder.path, 'data/log'), { recursive: true })
    await folder.remove('docs/a.md')

    const search = await folder.run('search', 'apples', '--data', 'data')
    await folder.index('docs')

    expect(search.stderr).toMatch(/^INDEX_MISSING/)
    expect(await folder.indexed()).toEqual(['b.md'])
  })
})

describe('a folder for the index', { timeout }, () => {
  test('that holds files under the names of ours is not filled', async () => {
    await using folder = await documentFolder({ ...two, 'data/log/today.txt': 'mine' })

    const { stderr, code } = await folder.index('docs')

    expect(stderr).toMatch(/^USAGE: the folder data holds "log" and is no index/)
    expect(code).toBe(2)
    expect(await readdir(join(folder.path, 'data'))).toEqual(['log'])
  })

  test.each<[string, Readonly<Record<string, string>>]>([
    ['a log and an index of another program', { 'log/LOCK': '', 'log/CURRENT': '', 'index.db': '', 'state/x': '' }],
    ['a folder "lock" beside files under our names', { 'lock/LOCK': '', 'log/today.txt': '', 'index.db': '' }],
    ['a card of something else', { 'workspace.json': '{"folders":[]}', 'log/LOCK': '', 'index.db': '' }],
  ])('that has %s keeps them, with --reindex too', async (_, files) => {
    await using folder = await documentFolder(two)
    for (const [file, content] of Object.entries(files)) await folder.put(`data/${file}`, content)
    const before = await readdir(join(folder.path, 'data'), { recursive: true })

    const { code, stderr } = await folder.index('docs', '--reindex')

    expect(stderr).toMatch(/^(USAGE|STATE_FORMAT): /)
    expect(code).not.toBe(0)
    expect(await readdir(join(folder.path, 'data'), { recursive: true })).toEqual(before)
  })

  test.each([
    ['is the source', 'docs', 'docs', /^USAGE: the folder docs is the source itself/],
    ['holds the source', 'docs', '.', /^USAGE: the folder \. holds the source docs/],
    ['holds the change stream', 'docs/changes.jsonl', 'docs', /^USAGE: the folder docs holds the source/],
  ])('that %s is refused', async (_, source, data, sentence) => {
    await using folder = await documentFolder({ ...two, 'docs/changes.jsonl': '' })

    const { stderr, code } = await folder.index(source, '--data', data, '--reindex')

    expect(stderr).toMatch(sentence)
    expect(code).toBe(2)
    expect((await readdir(join(folder.path, 'docs'))).sort()).toEqual(['a.md', 'b.md', 'changes.jsonl'])
  })

  test('that lies in the source is not read', async () => {
    await using folder = await documentFolder(two)
    await folder.index('docs', '--data', 'docs/index')
    await folder.put('docs/index/readme.md', 'Not a document.')

    const { summary } = await folder.index('docs', '--data', 'docs/index')

    expect(summary.documents).toMatchObject({ new: 0, unchanged: 2 })
  })

  test.each(['--json', '--reindex'])('whose card was never written, on a full disk, is filled (%s)', async (flag) => {
    await using folder = await documentFolder({ ...two, 'data/workspace.json': '', 'data/workspace.json.new': '{"f' })

    const search = await folder.run('search', 'apples', '--data', 'data')
    const { code } = await folder.index('docs', flag)

    expect(search.stderr).toMatch(/^INDEX_MISSING/)
    expect(code).toBe(0)
    expect(await folder.indexed()).toEqual(['a.md', 'b.md'])
  })

  test('whose card cannot be read is not taken for an empty one', async () => {
    await using folder = await documentFolder(two)
    await mkdir(join(folder.path, 'data/workspace.json'), { recursive: true })

    const search = await folder.run('search', 'apples', '--data', 'data')
    const index = await folder.index('docs')

    for (const { stderr, code } of [search, index]) {
      expect(stderr).toMatch(/^STATE_IO: .*workspace\.json cannot be read/)
      expect(code).toBe(1)
    }
  })
})

describe('an index', { timeout }, () => {
  test('counts an empty document as new, and as unchanged afterwards', async () => {
    await using folder = await documentFolder({ ...two, 'docs/empty.md': '', 'docs/blank.md': ' \n' })

    const first = await folder.index('docs')
    const second = await folder.index('docs')

    expect(first.summary.documents).toMatchObject({ new: 4, unchanged: 0 })
    expect(second.summary.documents).toMatchObject({ new: 0, unchanged: 4 })
  })

  test('of a folder without documents is not proposed for a search', async () => {
    await using folder = await documentFolder({ 'docs/photo.jpg': 'no text' })
    const index = () => folder.run('index', 'docs', '--data', 'data', '--model', 'hash')

    const without = await index()
    await folder.put('docs/a.md', 'About apples.')
    const withOne = await index()

    expect(without.stderr).toContain('no file in it matches')
    expect(without.stdout).not.toContain('search')
    expect(withOne.stdout).toContain('search "..." --data data')
  })

  test.each([
    ['a slash at its end', 'docs/'],
    ['a dot before it', './docs'],
    ['a detour', 'data/../docs'],
  ])('knows its folder again under %s, and what was deleted in it', async (_, spelling) => {
    await using folder = await documentFolder(two)
    await folder.index('docs')
    await folder.remove('docs/a.md')

    const { summary } = await folder.index(spelling)

    expect(summary.documents).toMatchObject({ deleted: 1, unchanged: 1 })
    expect(await folder.indexed()).toEqual(['b.md'])
  })

  test('knows its folder again under its absolute path', async () => {
    await using folder = await documentFolder(two)
    await folder.index('docs')
    await folder.remove('docs/a.md')

    await folder.index(join(folder.path, 'docs'))

    expect(await folder.indexed()).toEqual(['b.md'])
  })

  test('keeps the documents of its folder when another folder is to be indexed there', async () => {
    await using folder = await documentFolder({ ...two, 'other/docs/a.md': 'About ants.' })
    await folder.index('docs')

    const { stderr, code } = await folder.index('other/docs')

    expect(stderr).toMatch(/^INDEX_MISMATCH: the index in data is that of \/.*\/docs, not of \/.*\/other\/docs\. Use/)
    expect(code).toBe(78)
    expect(await folder.indexed()).toEqual(['a.md', 'b.md'])
    expect((await folder.index('docs')).summary.documents).toMatchObject({ unchanged: 2, deleted: 0 })
  })

  test('takes another folder with --reindex, and change streams besides its folder', async () => {
    const change = JSON.stringify({ key: 'c.md', op: 'upsert', text: 'About cats.' })
    await using folder = await documentFolder({ ...two, 'other/o.md': 'About otters.', 'C.JSONL': `${change}\n` })
    await folder.index('docs')

    await folder.index('other', '--reindex')
    const stream = await folder.index('C.JSONL')
    await folder.index('other')

    expect(stream.stderr).toBe('')
    expect(await folder.indexed()).toEqual(['c.md', 'o.md'])
  })
})

test('a search refuses a model that has changed since it made the index', { timeout }, async () => {
  await using folder = await documentFolder(two)
  const bundled = fileURLToPath(new URL('../../models/all-MiniLM-L6-v2', import.meta.url))
  await cp(bundled, join(folder.path, 'model'), { recursive: true })
  await rm(join(folder.path, 'model/golden.json'))
  await folder.index('docs', '--model', 'model')

  const before = await folder.run('search', 'apples', '--data', 'data')
  await folder.put('model/1_Pooling/config.json', '{"pooling_mode_cls_token": true}')
  const { stderr, stdout, code } = await folder.run('search', 'apples', '--data', 'data')

  expect(before.stdout).toContain('a.md')
  expect(stderr).toMatch(/^INDEX_MISMATCH: model "model" has changed since it made the index in data\./)
  expect(stdout).toBe('')
  expect(code).toBe(78)
})
