import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, watch as watchFile, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Clock, ManualClock } from '../../../src/clock.ts'
import { folder } from '../../../src/connectors/files/folder.ts'
import type { FeedProblem, FeedRecord } from '../../../src/topology/feed.ts'
import { texts } from '../../support/feeds.ts'

vi.mock('node:fs', async (original) => {
  const actual = await original<typeof import('node:fs')>()
  return { ...actual, watch: vi.fn(actual.watch) }
})
const { watch: actualWatch } = await vi.importActual<typeof import('node:fs')>('node:fs')

let root: string
let abort: AbortController
let reading: Promise<void>
let records: FeedRecord[]
let problems: FeedProblem[]
let caughtUp: boolean

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-folder-'))
  abort = new AbortController()
  records = []
  problems = []
  caughtUp = false
})
afterEach(async () => {
  abort.abort()
  await reading
  vi.mocked(watchFile).mockImplementation(actualWatch)
  rmSync(root, { recursive: true, force: true })
})

const put = (key: string, text: string) => writeFileSync(join(root, key), text)

/** Starts to watch; resolves after the first look, and forgets what that found. */
async function watch(clock?: Clock): Promise<void> {
  reading = (async () => {
    for await (const batch of folder({ path: root, watch: true, ...(clock && { clock }) }).read(
      undefined,
      abort.signal,
    )) {
      records.push(...batch.records)
      problems.push(...batch.problems)
      caughtUp ||= batch.caughtUp
    }
  })()
  await vi.waitFor(() => expect(caughtUp).toBe(true))
  records = []
}

const seen = (expected: [string, string | null][]) =>
  vi.waitFor(() => expect(texts(records)).toEqual(expect.arrayContaining(expected)), { timeout: 10_000, interval: 20 })

describe('watching', () => {
  test('new, changed, renamed and deleted files are noticed', async () => {
    put('a.md', 'one')
    put('b.md', 'two')
    await watch()

    put('a.md', 'changed')
    await seen([['a.md', 'changed']])
    put('c.md', 'new')
    await seen([['c.md', 'new']])
    renameSync(join(root, 'b.md'), join(root, 'd.md'))
    await seen([
      ['d.md', 'two'],
      ['b.md', null],
    ])
    rmSync(join(root, 'c.md'))
    await seen([['c.md', null]])
  })

  test('what happens in new folders is noticed, and that a folder is gone', async () => {
    put('a.md', 'stays')
    await watch()

    mkdirSync(join(root, 'x/y/z'), { recursive: true })
    put('x/y/z/deep.md', 'deep')
    await seen([['x/y/z/deep.md', 'deep']])
    put('x/y/z/deep.md', 'deeper')
    await seen([['x/y/z/deep.md', 'deeper']])
    rmSync(join(root, 'x'), { recursive: true })
    await seen([['x/y/z/deep.md', null]])
  })

  test('a folder that loses all of its files is named once, and nothing is deleted until it has files again', async () => {
    put('a.md', 'one')
    put('b.md', 'two')
    await watch()

    rmSync(join(root, 'a.md'))
    rmSync(join(root, 'b.md'))
    const emptied = { place: root, reason: expect.stringContaining('is empty, and 2 document(s) were read from it') }
    await vi.waitFor(() => expect(problems).toEqual([emptied]), { timeout: 10_000, interval: 20 })
    expect(records.filter(({ value }) => value === null).length).toBeLessThan(2)
    put('b.md', 'two')
    put('c.md', 'three')
    await seen([['c.md', 'three']])

    expect(problems).toHaveLength(1)
  })

  test('a folder that was deleted and made again is still watched', async () => {
    mkdirSync(join(root, 'x'))
    put('x/a.md', 'old')
    await watch()

    rmSync(join(root, 'x'), { recursive: true })
    mkdirSync(join(root, 'x'))
    put('x/a.md', 'new')
    await seen([['x/a.md', 'new']])
    put('x/a.md', 'newer')

    await seen([['x/a.md', 'newer']])
  })

  test('a folder that another one was moved onto is still watched', async () => {
    mkdirSync(join(root, 'x'))
    mkdirSync(join(root, '.next'))
    put('x/a.md', 'old')
    put('.next/a.md', 'new')
    await watch()

    renameSync(join(root, 'x'), join(root, '.last'))
    renameSync(join(root, '.next'), join(root, 'x'))
    await seen([['x/a.md', 'new']])
    put('x/a.md', 'newer')

    await seen([['x/a.md', 'newer']])
  })

  test('a touch is no news', async () => {
    put('a.md', 'one')
    await watch()

    utimesSync(join(root, 'a.md'), 2_000_000_000, 2_000_000_000)
    put('b.md', 'two')
    await seen([['b.md', 'two']])

    expect(texts(records)).toEqual([['b.md', 'two']])
  })

  test('a problem is named once, not with every look', async () => {
    put('binary.md', '\0')
    await watch()

    put('a.md', 'one')
    await seen([['a.md', 'one']])
    put('a.md', 'two')
    await seen([['a.md', 'two']])

    expect(problems).toEqual([{ place: 'binary.md', reason: 'the file is binary' }])
  })

  test('aborting ends it, and nothing keeps the process alive', async () => {
    await watch()

    abort.abort()
    await reading

    await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('FSEventWrap'))
  })
})

describe('without events', () => {
  test('a folder that goes away for a while loses nothing and is named', async () => {
    put('a.md', 'one')
    const clock = new ManualClock(Date.now())
    await watch(clock)

    renameSync(root, `${root}-away`)
    await vi.waitFor(() => {
      clock.advance(31_000)
      expect(problems).toEqual([
        { place: root, reason: `there is no folder ${root}; nothing is deleted, and it is waited for` },
      ])
    })
    renameSync(`${root}-away`, root)
    put('b.md', 'two')
    await vi.waitFor(() => {
      clock.advance(31_000)
      expect(texts(records)).toEqual([['b.md', 'two']])
    })

    expect(problems).toHaveLength(1)
  })

  test('where the system has no watches left, it looks every two seconds', async () => {
    vi.mocked(watchFile).mockImplementation(() => {
      throw Object.assign(new Error('ENOSPC: no space left on device, watch'), { code: 'ENOSPC' })
    })
    const clock = new ManualClock(Date.now())
    await watch(clock)

    put('a.md', 'one')

    for (let looks = 0; looks < 5 && records.length === 0; looks++) {
      clock.advance(2_200)
      await vi.waitFor(() => expect(texts(records)).toEqual([['a.md', 'one']]), 200).catch(() => undefined)
    }
    expect(texts(records)).toEqual([['a.md', 'one']])
  })

  test('a watch that breaks is replaced', async () => {
    put('a.md', 'one')
    const clock = new ManualClock(Date.now())
    await watch(clock)
    const [broken] = vi.mocked(watchFile).mock.results.splice(-1)

    broken?.value.emit('error', new Error('queue overflow'))
    put('a.md', 'two')
    await vi.waitFor(() => {
      clock.advance(200)
      expect(texts(records)).toEqual([['a.md', 'two']])
    })
    put('a.md', 'three')

    await vi.waitFor(() => {
      clock.advance(200)
      expect(texts(records)).toContainEqual(['a.md', 'three'])
    })
  })
})
