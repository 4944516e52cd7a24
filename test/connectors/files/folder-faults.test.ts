import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { folder } from '../../../src/connectors/files/folder.ts'
import { readAll, texts } from '../../support/feeds.ts'

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>()
  return { ...actual, open: vi.fn(actual.open), readdir: vi.fn(actual.readdir) }
})
const actual = await vi.importActual<typeof import('node:fs/promises')>('node:fs/promises')

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-folder-'))
  mkdirSync(join(root, 'sub'))
  for (const key of ['a.md', 'sub/b.md', 'z.md']) writeFileSync(join(root, key), key)
})
afterEach(() => {
  vi.mocked(open).mockImplementation(actual.open)
  vi.mocked(readdir).mockImplementation(actual.readdir)
  rmSync(root, { recursive: true, force: true })
})

const feed = () => folder({ path: root, clock: new ManualClock(Date.now() + 60_000) })

const denied = (path: string) =>
  Object.assign(new Error(`EACCES: permission denied, open '${path}'`), { code: 'EACCES', errno: -13 })

function refuseFolder(which: (path: string) => boolean): void {
  const refusing = async (path: string, options: { withFileTypes: true }) => {
    if (which(path)) throw denied(path)
    return actual.readdir(path, options)
  }
  vi.mocked(readdir).mockImplementation(refusing as unknown as typeof readdir)
}

/** Lets `open` do something to the file before each reading of it. */
function whenOpened(name: string, action: (file: FileHandle) => Promise<void> | void): void {
  vi.mocked(open).mockImplementation(async (path, ...rest) => {
    const file = await actual.open(path, ...rest)
    if (String(path).endsWith(name)) await action(file)
    return file
  })
}

test('a file that may not be read is named, the others go on, and its record stays', async () => {
  const { cursor } = await readAll(feed())
  appendFileSync(join(root, 'a.md'), ' changed')
  vi.mocked(open).mockImplementation((path, ...rest) =>
    String(path).endsWith('a.md') ? Promise.reject(denied(String(path))) : actual.open(path, ...rest),
  )
  appendFileSync(join(root, 'z.md'), ' changed')

  const refused = await readAll(feed(), cursor)
  vi.mocked(open).mockImplementation(actual.open)
  const allowed = await readAll(feed(), refused.cursor)

  expect(refused.problems).toEqual([{ place: 'a.md', reason: 'permission denied' }])
  expect(texts(refused.records)).toEqual([['z.md', 'z.md changed']])
  expect(texts(allowed.records)).toEqual([['a.md', 'a.md changed']])
})

test('a folder that may not be read is named, and its documents are not taken for deleted', async () => {
  const { cursor } = await readAll(feed())
  refuseFolder((path) => path.endsWith('sub'))

  const { records, problems } = await readAll(feed(), cursor)

  expect(problems).toEqual([{ place: 'sub', reason: 'permission denied' }])
  expect(records).toEqual([])
})

test('a root that may not be read is an error, not an empty folder', async () => {
  const { cursor } = await readAll(feed())
  refuseFolder(() => true)

  await expect(readAll(feed(), cursor)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
})

test('a file that vanishes between listing and reading is deleted when it was known, and nothing when not', async () => {
  const { cursor } = await readAll(feed())
  for (const key of ['a.md', 'new.md']) writeFileSync(join(root, key), 'changed')
  vi.mocked(open).mockImplementation((path, ...rest) => {
    rmSync(String(path))
    return actual.open(path, ...rest)
  })

  const { records, problems } = await readAll(feed(), cursor)

  expect(texts(records)).toEqual([['a.md', null]])
  expect(problems).toEqual([])
})

test('a file that is replaced while it is read is read again', async () => {
  let reads = 0
  whenOpened('a.md', (file) => {
    const read = file.read.bind(file)
    file.read = (async (...given: Parameters<typeof read>) => {
      const result = await read(...given)
      if (reads++ === 0) writeFileSync(join(root, 'a.md'), 'replaced in the middle')
      return result
    }) as typeof file.read
  })

  const { records, cursor } = await readAll(feed())

  expect(texts(records)[0]).toEqual(['a.md', 'replaced in the middle'])
  expect((await readAll(feed(), cursor)).records).toEqual([])
})

test('a file that never holds still is taken as it is, and looked at again the next time', async () => {
  whenOpened('a.md', (file) => {
    const read = file.read.bind(file)
    file.read = (async (...given: Parameters<typeof read>) => {
      appendFileSync(join(root, 'a.md'), '+')
      return read(...given)
    }) as typeof file.read
  })

  const { records, cursor } = await readAll(feed())
  vi.mocked(open).mockImplementation(actual.open)
  const quiet = await readAll(feed(), cursor)

  expect(records).toHaveLength(3)
  expect(texts(quiet.records)).toEqual([['a.md', expect.stringMatching(/^a\.md\++$/)]])
})
