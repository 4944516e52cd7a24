import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { StreamError } from '../../../src/errors.ts'
import type { ReadableCopy, StoreHosts, StoreQueries } from '../../../src/runtime/views.ts'
import type { Forwarder } from '../../../src/serve/queries/forwarder.ts'
import type { Page } from '../../../src/serve/queries/page.ts'
import type { PageRequest } from '../../../src/serve/queries/page-request.ts'
import { Pages } from '../../../src/serve/queries/pages.ts'

/** Keys in their order; undefined: a row that nobody asked for. */
type Rows = readonly (string | undefined)[]

interface Given {
  /** Of each partition what is here; undefined: it cannot be read here. */
  readonly partitions: readonly (Rows | undefined)[]
  readonly role?: ReadableCopy['role']
  readonly hosts?: StoreHosts
  /** What another instance answers. */
  readonly answer?: Page
  readonly eachRow?: () => void
}

const nowhere = new StreamError('STORE_UNAVAILABLE', 'it is on another instance')
const clock = new ManualClock()

async function* readRows(rows: Rows, after: Uint8Array | undefined, eachRow: () => void = () => undefined) {
  const start = after === undefined ? 0 : Number(Buffer.from(after).toString()) + 1
  for (const [index, key] of [...rows.entries()].slice(start)) {
    eachRow()
    yield { place: Buffer.from(String(index)), entry: key === undefined ? undefined : { key, value: 1 } }
  }
}

function pagesOf({ partitions, role = 'active', hosts, answer, eachRow }: Given) {
  const asked: [hosts: readonly string[], limit: number][] = []
  const queries: Partial<StoreQueries> = {
    partitionsOf: () => partitions.map((_, partition) => partition),
    hostsOf: () => hosts ?? { active: undefined, standbys: [] },
    copy: (_, partition) => {
      const rows = partitions[partition]
      if (!rows) throw nowhere
      return { role, behind: { records: 3, ms: 40 }, read: (_, after) => readRows(rows, after, eachRow) }
    },
  }
  const forwarder: Pick<Forwarder, 'firstAnswer'> = {
    firstAnswer: async (addresses, { limit }) => {
      asked.push([addresses, limit])
      if (!answer) throw nowhere
      return answer
    },
  }
  const pages = new Pages({ queries: queries as StoreQueries, forwarder: forwarder as Forwarder, clock })
  return { pages, asked }
}

const request = (overrides: Partial<PageRequest> = {}): PageRequest => ({
  query: {},
  partition: undefined,
  staleness: {},
  limit: 100,
  cursor: undefined,
  parameters: new URLSearchParams(),
  ...overrides,
})

const keysOf = ({ entries }: Page) => entries.map((entry) => (JSON.parse(entry) as { key: string }).key)

describe('a page', () => {
  test('goes on where the one before ended, from partition to partition', async () => {
    const { pages } = pagesOf({ partitions: [['a', 'b', 'c'], [], ['d', 'e']] })

    const found: string[][] = []
    let cursor: PageRequest['cursor']
    do {
      const page = await pages.page('counts', request({ limit: 2, cursor }), false)
      found.push(keysOf(page))
      cursor = page.next
    } while (cursor)

    expect(found).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  test('is of one partition where one is named', async () => {
    const { pages } = pagesOf({ partitions: [['a'], ['b'], ['c']] })

    const page = await pages.page('counts', request({ partition: 1 }), false)

    expect([keysOf(page), page.next]).toEqual([['b'], undefined])
  })

  test('may be empty, and say where the next one begins, when ten thousand rows were not asked for', async () => {
    const others = Array.from({ length: 10_000 }, () => undefined)
    const { pages } = pagesOf({ partitions: [[...others, 'found']] })

    const page = await pages.page('counts', request(), false)
    const next = await pages.page('counts', request({ cursor: page.next }), false)

    expect([keysOf(page), keysOf(next), next.next]).toEqual([[], ['found'], undefined])
  })

  test('ends after five seconds with what was found until then', async () => {
    const { pages } = pagesOf({ partitions: [['a', 'b', 'c']], eachRow: () => clock.advance(2_000) })

    const page = await pages.page('counts', request(), false)

    expect([keysOf(page), page.next]).toEqual([['a', 'b'], { partition: 0, after: Buffer.from('1') }])
  })

  test('ends before a partition that cannot be had, and fails where that is the first', async () => {
    const { pages } = pagesOf({ partitions: [['a'], undefined] })

    const page = await pages.page('counts', request(), false)

    expect([keysOf(page), page.next]).toEqual([['a'], { partition: 1, after: undefined }])
    await expect(pages.page('counts', request({ cursor: page.next }), false)).rejects.toBe(nowhere)
  })

  test('says of what a standby has told how far behind that was', async () => {
    const ofStandby = await pagesOf({ partitions: [['a']], role: 'standby' }).pages.page('counts', request(), false)
    const ofOwner = await pagesOf({ partitions: [['a']] }).pages.page('counts', request(), false)

    expect(ofStandby.stale).toEqual([{ partition: 0, behindRecords: 3, behindMs: 40 }])
    expect(ofOwner.stale).toEqual([])
  })
})

describe('a partition that is elsewhere', () => {
  const hosts = { active: 'http://owner', standbys: ['http://standby'] }
  const answer = { entries: ['{"key":"far","value":1}'], stale: [], next: undefined }

  test('is asked for there, for as many entries as there is room for', async () => {
    const { pages, asked } = pagesOf({ partitions: [['a'], undefined, ['z']], hosts, answer })

    const page = await pages.page('counts', request({ limit: 10 }), false)

    expect(keysOf(page)).toEqual(['a', 'far', 'z'])
    expect(asked).toEqual([[['http://owner'], 9]])
  })

  test('may come from a standby where the answer may be stale', async () => {
    const { pages, asked } = pagesOf({ partitions: [undefined], hosts, answer })

    await pages.page('counts', request({ staleness: { maxBehindMs: 0 } }), false)
    await pages.page('counts', request({ staleness: { maxBehindRecords: 0 } }), false)

    expect(asked.map(([addresses]) => addresses)).toEqual([
      ['http://owner', 'http://standby'],
      ['http://owner', 'http://standby'],
    ])
  })

  test('is not asked for by an instance that was asked itself, nor where nobody has it', async () => {
    const sentOn = pagesOf({ partitions: [undefined], hosts, answer })
    const alone = pagesOf({ partitions: [undefined], answer })

    await expect(sentOn.pages.page('counts', request(), true)).rejects.toBe(nowhere)
    await expect(alone.pages.page('counts', request(), false)).rejects.toBe(nowhere)
    expect([sentOn.asked, alone.asked]).toEqual([[], []])
  })
})
