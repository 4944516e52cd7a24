import { describe, expect, test } from 'vitest'
import { msgpack, string } from '../../src/serde.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { StoreSpec, VersionedStore } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { restartedState } from '../support/restarted-state.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const base = { kind: 'versioned', key: string, value: msgpack<number>(), historyMs: 100 }
const stores = [{ ...base, name: 'prices' }] as StoreSpec[]
const nowhere = { positions: new Map(), sourceOffsets: new Uint8Array(0) }

interface OpenedState extends AsyncDisposable {
  readonly state: TaskState
}

async function inMemory(specs = stores): Promise<OpenedState> {
  const state = await TaskState.open({ stores: specs, openDisk: async () => memoryStore() })
  return { state, [Symbol.asyncDispose]: () => state.close() }
}

async function onDisk(specs = stores): Promise<OpenedState> {
  const folder = await temporaryDirectory()
  const state = await TaskState.open({ stores: specs, openDisk: () => openLevelStore(folder.path) })
  const close = async () => {
    await state.close()
    await folder[Symbol.asyncDispose]()
  }
  return { state, [Symbol.asyncDispose]: close }
}

const pricesOf = (state: TaskState, generation = 1) =>
  state.view<VersionedStore<string, number>>('prices', () => generation)

/** Value and bounds of what a key was at each of the times. */
function at(prices: VersionedStore<string, number>, key: string, times: readonly number[]): readonly unknown[] {
  return times.map((timeMs) => {
    const found = prices.get(key, timeMs)
    return found && [found.value, found.timestamp, found.untilMs]
  })
}

describe.each([
  ['in memory', inMemory],
  ['on disk', onDisk],
])('a versioned store %s', (_, open) => {
  test('knows what a key was at any time, whatever the order of the puts', async () => {
    await using opened = await open()
    const { state } = opened
    const prices = pricesOf(state)

    const puts = [
      prices.put('a', 1, 10),
      prices.put('a', 4, 40),
      prices.put('a', 2, 20),
      prices.put('a', 0, 5),
      prices.put('b', 9, 15),
    ]

    await state.persist(1, nowhere)

    expect(puts).toEqual(['latest', 'latest', 'replaced', 'replaced', 'latest'])
    expect(at(prices, 'a', [4, 5, 19, 20, 39, 40, 1_000])).toEqual([
      undefined,
      [0, 5, 10],
      [1, 10, 20],
      [2, 20, 40],
      [2, 20, 40],
      [4, 40, undefined],
      [4, 40, undefined],
    ])
    expect(prices.get('a')).toEqual({ value: 4, timestamp: 40 })
    expect(prices.get('c', 50)).toBeUndefined()
  })

  test('replaces a version by one of the same time', async () => {
    await using opened = await open()
    const prices = pricesOf(opened.state)
    prices.put('a', 1, 10)
    prices.put('a', 2, 20)

    prices.put('a', 7, 10)
    prices.put('a', 8, 20)

    expect(at(prices, 'a', [9, 10, 20])).toEqual([undefined, [7, 10, 20], [8, 20, undefined]])
  })

  test('keeps when a key was deleted: what comes later from before then does not bring it back', async () => {
    await using opened = await open()
    const prices = pricesOf(opened.state)
    prices.put('a', 1, 10)

    expect(prices.delete('a', 30)).toEqual({ value: 1, timestamp: 10 })
    expect(prices.put('a', 2, 20)).toBe('replaced')
    expect(prices.put('b', null, 20)).toBe('latest')
    expect(prices.put('b', 1, 15)).toBe('replaced')

    expect(prices.get('a')).toBeUndefined()
    expect(at(prices, 'a', [15, 20, 30])).toEqual([[1, 10, 20], [2, 20, 30], undefined])
    expect(at(prices, 'b', [15, 20])).toEqual([[1, 15, 20], undefined])
  })

  test('deletes in the midst of the history', async () => {
    await using opened = await open()
    const prices = pricesOf(opened.state)
    prices.put('a', 1, 10)
    prices.put('a', 2, 50)

    expect(prices.delete('a', 30)).toEqual({ value: 1, timestamp: 10, untilMs: 50 })

    expect(at(prices, 'a', [29, 30, 49, 50])).toEqual([[1, 10, 30], undefined, undefined, [2, 50, undefined]])
  })

  test('refuses what is older than its history, and finds nothing there but the latest version', async () => {
    await using opened = await open()
    const prices = pricesOf(opened.state)
    prices.put('a', 1, 10)
    prices.put('a', 2, 20)
    prices.put('old', 3, 15)
    prices.put('b', 4, 200)

    expect(prices.put('a', 9, 99)).toBe('expired')
    expect(prices.delete('a', 99)).toBeUndefined()
    expect(at(prices, 'a', [19, 20, 99, 200])).toEqual([
      undefined,
      [2, 20, undefined],
      [2, 20, undefined],
      [2, 20, undefined],
    ])
    expect(prices.get('old', 16)).toEqual({ value: 3, timestamp: 15 })
    expect(prices.put('a', 9, 100)).toBe('latest')
    expect(prices.observedMs).toBe(200)
  })

  test('forgets the rows of what was replaced or deleted before its history', async () => {
    await using opened = await open()
    const { state } = opened
    const prices = pricesOf(state)
    prices.put('a', 1, 10)
    prices.put('a', 2, 20)
    prices.put('gone', 3, 10)
    prices.put('gone', null, 20)
    await state.persist(1, nowhere)

    pricesOf(state, 2).put('b', 4, 121)

    const deleted = state.changes(2).filter(({ value }) => value === null)
    // The versions that ended at 20, then the key that was deleted at 20.
    expect(deleted.map(({ key }) => Buffer.from(key).toString('hex'))).toEqual([
      '01610000000000000014',
      '01676f6e650000000000000014',
      '00676f6e65',
    ])
    expect(await Array.fromAsync(pricesOf(state, 2).all())).toEqual([
      ['a', { value: 2, timestamp: 20 }],
      ['b', { value: 4, timestamp: 121 }],
    ])
  })

  test('with no history at all is a table that takes no older rows, and leaves nothing behind', async () => {
    const specs = [{ ...base, name: 'prices', historyMs: 0 }] as StoreSpec[]
    await using opened = await open(specs)
    const { state } = opened
    const prices = pricesOf(state)

    const puts = [prices.put('a', 1, 10), prices.put('a', 2, 20), prices.put('b', 3, 19), prices.put('b', 3, 20)]

    expect(puts).toEqual(['latest', 'latest', 'expired', 'latest'])
    expect(state.changes(1).map(({ key }) => Buffer.from(key).toString())).toEqual(['\u0000a', '\u0000b'])
  })

  test('its changelog has a row a version, with its time: the latest by key, others by key and end', async () => {
    await using opened = await open()
    const { state } = opened
    pricesOf(state).put('a', 1, 10)
    pricesOf(state).put('a', null, 20)

    const value = Buffer.from(base.value.serialize(1))
    expect(state.changes(1)).toEqual([
      { store: 'prices', key: Buffer.from('0061', 'hex'), value: Buffer.from([0]), timestamp: 20 },
      {
        store: 'prices',
        key: Buffer.from('01610000000000000014', 'hex'),
        value: Buffer.concat([Buffer.from([1]), value]),
        timestamp: 10,
      },
    ])
  })

  test('changes nothing by a value that cannot be written', async () => {
    await using opened = await open()
    const prices = pricesOf(opened.state)
    prices.put('a', 1, 10)
    const unwritable = Symbol('unwritable') as unknown as number

    expect(() => prices.put('a', unwritable, 500)).toThrow(expect.objectContaining({ code: 'RECORD_UNENCODABLE' }))

    expect(prices.observedMs).toBe(10)
    expect(prices.get('a')).toEqual({ value: 1, timestamp: 10 })
  })
})

describe.each([
  ['from disk', true],
  ['from the changelog', false],
])('a versioned store after a restart %s', (_, fromDisk) => {
  test('has the same versions, and the same time', async () => {
    await using folder = await temporaryDirectory()
    await using after = await restartedState(stores, { folder: folder.path, fromDisk }, (before) => {
      pricesOf(before).put('a', 1, 10)
      pricesOf(before).put('a', 3, 30)
      pricesOf(before).put('a', 2, 20)
      pricesOf(before).put('gone', null, 90)
    })

    const prices = pricesOf(after, 2)
    expect(at(prices, 'a', [10, 25, 30])).toEqual([
      [1, 10, 20],
      [2, 20, 30],
      [3, 30, undefined],
    ])
    expect(prices.observedMs).toBe(90)
    expect(prices.put('gone', 1, 80)).toBe('replaced')
    prices.put('b', 1, 191)
    expect(after.changes(2).filter(({ value }) => value === null)).toHaveLength(4)
  })
})
