import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { type FolderOptions, folder } from '../../../src/connectors/files/folder.ts'
import { readAll, texts } from '../../support/feeds.ts'

let root: string
/** A time when the files of a test have long settled. */
let later: ManualClock

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-folder-'))
  later = new ManualClock(Date.now() + 60_000)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(key: string, content: string | Uint8Array): string {
  const path = join(root, key)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

const feed = (options: Partial<FolderOptions> = {}) => folder({ path: root, clock: later, ...options })
const keys = (records: readonly { key: string }[]) => records.map(({ key }) => key)

describe('what counts', () => {
  test('text files at any depth, in the order of their keys', async () => {
    for (const key of ['b.md', 'a/z.txt', 'a/b/c/deep.markdown', 'a.MD', 'B.rst']) put(key, key)
    for (const key of ['code.ts', 'photo.png', 'noextension', 'a/data.json']) put(key, key)

    const { records } = await readAll(feed())

    expect(keys(records)).toEqual(['B.rst', 'a.MD', 'a/b/c/deep.markdown', 'a/z.txt', 'b.md'])
  })

  test('hidden names and node_modules are left out', async () => {
    for (const key of [
      '.git/a.md',
      '.hidden.md',
      'node_modules/p/README.md',
      'a/node_modules/b.md',
      'a/.b/c.md',
      'kept.md',
    ])
      put(key, 'text')

    expect(keys((await readAll(feed())).records)).toEqual(['kept.md'])
  })

  test('globs and ignore replace the defaults', async () => {
    for (const key of ['src/a.ts', 'src/deep/b.ts', 'test/c.ts', 'README.md', 'drafts/d.ts', 'drafts/e/f.ts'])
      put(key, 'text')

    const { records } = await readAll(feed({ globs: ['src/**/*.ts', '**/d.ts', '**/f.ts'], ignore: ['drafts'] }))

    expect(keys(records)).toEqual(['src/a.ts', 'src/deep/b.ts'])
  })

  test('a folder that is excepted is not entered, whatever its name means as a glob', async () => {
    for (const key of ['a.md', '[i]ndex*/b.md', 'index/c.md', 'sub/d.md', 'sub/index/e.md']) put(key, 'text')

    const { records } = await readAll(feed({ except: [join(root, '[i]ndex*'), join(root, 'sub', 'index'), tmpdir()] }))

    expect(keys(records)).toEqual(['a.md', 'index/c.md', 'sub/d.md'])
  })

  test('links to files are read, links to folders and loops are not followed, dead links are named', async () => {
    const target = put('real/file.md', 'text')
    symlinkSync(target, join(root, 'link.md'))
    symlinkSync(root, join(root, 'real', 'loop'))
    symlinkSync(join(root, 'real'), join(root, 'folder.md'))
    symlinkSync(join(root, 'nowhere'), join(root, 'dead.md'))
    symlinkSync(join(root, 'self.md'), join(root, 'self.md'))

    const { records, problems } = await readAll(feed())

    expect(keys(records)).toEqual(['link.md', 'real/file.md'])
    expect(problems.map(({ place }) => place).sort()).toEqual(['dead.md', 'self.md'])
  })

  test('names may hold anything that a file system allows', async () => {
    const names = [
      'two words.md',
      'a\nb.md',
      'quote"\'.md',
      '[x]{y}*.md',
      'e\u0301.md',
      '\u00e9.md',
      '日本語.md',
      'back\\slash.md',
      '#%?.md',
      '__proto__',
    ]
    for (const name of names) put(`in ${'sub'}/${name}`, name)

    const first = await readAll(feed({ globs: ['**'] }))
    const second = await readAll(feed({ globs: ['**'] }), first.cursor)

    expect(texts(first.records)).toEqual(names.map((name) => [`in sub/${name}`, name]).sort())
    expect(second.records).toEqual([])
  })

  test('a name that is not valid UTF-8 is named, and the others go on', async () => {
    put('good.md', 'text')
    writeFileSync(Buffer.concat([Buffer.from(`${root}/bad`), Buffer.of(0xff), Buffer.from('.md')]), 'text')

    const { records, problems } = await readAll(feed())

    expect(keys(records)).toEqual(['good.md'])
    expect(problems).toEqual([{ place: 'bad\ufffd.md', reason: 'the name is not valid UTF-8' }])
  })
})

describe('the name, under which the cursor is kept,', () => {
  test('is the same for all spellings of a folder, and differs between folders of one name', () => {
    put('one/docs/a.md', 'text')
    put('two/docs/a.md', 'text')
    symlinkSync(join(root, 'one'), join(root, 'link'))
    const spellings = [
      join(root, 'one/docs'),
      `${root}/one/docs/`,
      `${root}/one/../one/./docs`,
      relative('.', join(root, 'one/docs')),
      join(root, 'link/docs'),
    ]

    const names = new Set(spellings.map((path) => feed({ path }).name))

    expect([...names]).toEqual([`folder:${realpathSync(root)}/one/docs`])
    expect(names).not.toContain(feed({ path: join(root, 'two/docs') }).name)
  })
})

describe('what is read', () => {
  test('a record has the path and the text as it was written, and the time of modification', async () => {
    const path = put('a/b.md', 'one\r\ntwo\rthree\n\tfour\u2028\n')
    utimesSync(path, 1_700_000_000.5, 1_700_000_000.5)

    const { records } = await readAll(feed())

    expect(texts(records)).toEqual([['a/b.md', 'one\r\ntwo\rthree\n\tfour\u2028\n']])
    expect(records[0]?.timestamp).toBe(1_700_000_000_500)
  })

  test('a file from before 1970 has a valid timestamp', async () => {
    utimesSync(put('a.md', 'text'), new Date(-1e9), new Date(-1e9))

    const { records } = await readAll(feed())

    expect(records[0]?.timestamp).toBe(0)
  })

  test('a byte order mark is dropped and invalid UTF-8 is replaced', async () => {
    put('bom.md', '\ufefftext')
    put('broken.md', Buffer.from([0x61, 0xff, 0xc3, 0x28, 0x62]))

    expect(texts((await readAll(feed())).records)).toEqual([
      ['bom.md', 'text'],
      ['broken.md', 'a\ufffd\ufffd(b'],
    ])
  })

  test('an empty file is a document without text', async () => {
    put('empty.md', '')

    expect(texts((await readAll(feed())).records)).toEqual([['empty.md', '']])
  })

  test('binary and over-large files are named, and the others go on', async () => {
    put('binary.md', Buffer.from('text\0text'))
    put('large.md', 'x'.repeat(101))
    put('fits.md', 'x'.repeat(100))
    const subject = feed({ maxFileBytes: 100 })

    const { records, problems } = await readAll(subject)

    expect(keys(records)).toEqual(['fits.md'])
    expect(problems).toEqual([
      { place: 'binary.md', reason: 'the file is binary' },
      { place: 'large.md', reason: '101 bytes are more than maxFileBytes (100)' },
    ])
    expect(subject.stats).toEqual({ scanned: 3, changed: 1, unchanged: 0, deleted: 0, skipped: 2 })
  })

  test('a file that was too large is read under a larger limit, and a binary one is not read again', async () => {
    put('binary.md', Buffer.from('text\0text'))
    put('large.md', 'x'.repeat(101))
    const first = await readAll(feed({ maxFileBytes: 100 }))

    const again = await readAll(feed({ maxFileBytes: 100 }), first.cursor)
    const larger = await readAll(feed({ maxFileBytes: 101 }), again.cursor)

    expect(again.problems).toEqual(first.problems)
    expect(keys(larger.records)).toEqual(['large.md'])
    expect(larger.problems).toEqual([{ place: 'binary.md', reason: 'the file is binary' }])
  })

  test('a folder that is not there, or is a file, is an error that names it', async () => {
    const file = put('file.md', 'text')
    const missing = join(root, 'missing')

    for (const path of [missing, file])
      await expect(readAll(feed({ path }))).rejects.toMatchObject({
        code: 'SOURCE_MISSING',
        message: expect.stringContaining(path),
      })
    expect(existsSync(missing)).toBe(false)
  })

  test('a signal ends it without an error', async () => {
    for (let i = 0; i < 600; i++) put(`${i}.md`, 'text')
    const abort = new AbortController()
    let records = 0

    for await (const batch of feed().read(undefined, abort.signal)) {
      records += batch.records.length
      abort.abort()
    }

    expect(records).toBe(256)
  })
})

describe('a second look', () => {
  test('unchanged files give nothing, and the cursor stays the same object', async () => {
    put('a.md', 'one')
    put('b/c.md', 'two')
    put('binary.md', '\0')
    const { cursor } = await readAll(feed())

    const subject = feed()
    const again = await readAll(subject, JSON.parse(JSON.stringify(cursor)))
    const third = await readAll(feed(), again.cursor)

    expect(again.records).toEqual([])
    expect(subject.stats).toEqual({ scanned: 3, changed: 0, unchanged: 2, deleted: 0, skipped: 1 })
    expect(third.cursor).toBe(again.cursor)
  })

  test('a changed file and a new one are read, a touched one is not', async () => {
    put('changed.md', 'before')
    const touched = put('touched.md', 'same')
    put('same.md', 'same')
    const { cursor } = await readAll(feed())
    put('changed.md', 'after!')
    put('new.md', 'new')
    utimesSync(touched, 2_000_000_000, 2_000_000_000)

    const subject = feed()
    const { records } = await readAll(subject, cursor)

    expect(texts(records)).toEqual([
      ['changed.md', 'after!'],
      ['new.md', 'new'],
    ])
    expect(subject.stats).toMatchObject({ changed: 2, unchanged: 2 })
  })

  test('another content of the same size and modification time is seen', async () => {
    const path = put('a.md', 'one')
    utimesSync(path, 1_700_000_000, 1_700_000_000)
    const { cursor } = await readAll(feed())
    put('a.md', 'two')
    utimesSync(path, 1_700_000_000, 1_700_000_000)

    expect(texts((await readAll(feed(), cursor)).records)).toEqual([['a.md', 'two']])
  })

  test('a file that changed within the tick of its last reading is read again', async () => {
    const path = put('a.md', 'one')
    const { cursor } = await readAll(feed({ clock: new ManualClock(Date.now()) }))

    expect(cursor.files).toEqual([{ key: path.slice(root.length + 1), stamp: '', hash: expect.any(String) }])
  })

  test('files that vanished while nobody looked give tombstones, after everything else', async () => {
    for (const key of ['a.md', 'b/c.md', 'b/d.md', 'kept.md']) put(key, key)
    const { cursor } = await readAll(feed())
    rmSync(join(root, 'b'), { recursive: true })
    rmSync(join(root, 'a.md'))
    put('z.md', 'new')

    const subject = feed()
    const { records } = await readAll(subject, cursor)

    expect(texts(records)).toEqual([
      ['z.md', 'new'],
      ['a.md', null],
      ['b/c.md', null],
      ['b/d.md', null],
    ])
    expect(subject.stats).toMatchObject({ changed: 1, deleted: 3 })
    expect(records[1]?.timestamp).toBe(later.now())
  })

  test('a tombstone comes once', async () => {
    put('a.md', 'text')
    put('b.md', 'stays')
    const first = await readAll(feed())
    rmSync(join(root, 'a.md'))
    const second = await readAll(feed(), first.cursor)

    expect(second.records).toHaveLength(1)
    expect((await readAll(feed(), second.cursor)).records).toEqual([])
  })

  test('a folder that has lost all of its files deletes nothing, unless it may be empty', async () => {
    put('a.md', 'text')
    put('b/c.md', 'text')
    const { cursor } = await readAll(feed())
    rmSync(join(root, 'a.md'))
    rmSync(join(root, 'b/c.md'))

    const refused = readAll(feed(), cursor)
    await expect(refused).rejects.toThrow(
      /^SOURCE_EMPTY: .* is empty, and 2 document\(s\) .*none was deleted.*--allow-empty/,
    )
    const allowed = await readAll(feed({ allowEmpty: true }), cursor)

    expect(texts(allowed.records)).toEqual([
      ['a.md', null],
      ['b/c.md', null],
    ])
  })

  test('a folder in which no file counts is named', async () => {
    put('code.ts', 'text')

    const { problems } = await readAll(feed({ globs: ['**/*.md', '*.txt'] }))

    expect(problems).toEqual([{ place: root, reason: 'no file in it matches **/*.md, *.txt' }])
  })

  test('a renamed file is a new document and a deleted one', async () => {
    put('old.md', 'text')
    const { cursor } = await readAll(feed())
    renameSync(join(root, 'old.md'), join(root, 'new.md'))

    expect(texts((await readAll(feed(), cursor)).records)).toEqual([
      ['new.md', 'text'],
      ['old.md', null],
    ])
  })

  test('a file that became a folder, and one that is no longer selected, are deleted', async () => {
    put('a.md', 'text')
    put('b.txt', 'text')
    const { cursor } = await readAll(feed())
    rmSync(join(root, 'a.md'))
    put('a.md/inside.md', 'inside')

    expect(texts((await readAll(feed({ globs: ['**/*.md'] }), cursor)).records)).toEqual([
      ['a.md/inside.md', 'inside'],
      ['a.md', null],
      ['b.txt', null],
    ])
  })

  test('a document that became binary is deleted and named; when it is text again, it is back', async () => {
    put('a.md', 'text')
    const first = await readAll(feed())
    put('a.md', 'bin\0ry')
    const second = await readAll(feed(), first.cursor)
    put('a.md', 'text')
    const third = await readAll(feed(), second.cursor)

    expect(texts(second.records)).toEqual([['a.md', null]])
    expect(second.problems).toEqual([{ place: 'a.md', reason: 'the file is binary' }])
    expect(texts(third.records)).toEqual([['a.md', 'text']])
  })

  test('after a stop in the middle, what follows the kept cursor comes again and nothing is lost', async () => {
    for (let i = 0; i < 1_100; i++) put(`${i}.md`, `text ${i}`)
    const { batches } = await readAll(feed())
    const cursors = [...new Set(batches.map(({ cursor }) => cursor))]

    const complete = cursors.map(async (cursor) => {
      const kept = batches.findLastIndex((batch) => batch.cursor === cursor)
      const before = batches.slice(0, kept + 1).flatMap(({ records }) => keys(records))
      const rest = await readAll(feed(), cursor)
      return new Set([...before, ...keys(rest.records)]).size
    })

    expect(await Promise.all(complete)).toEqual([1_100, 1_100, 1_100])
  })
})
