import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bytes, msgpack } from '../../src/serde.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import type { RowQuery, StoreRow } from '../../src/state/row-reader.ts'
import type {
  KeyValueStore,
  SessionStore,
  StoreSpec,
  Timestamped,
  VersionedStore,
  WindowStore,
} from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

type Storage = 'level' | 'memory'
type Key = Uint8Array

const base = { key: bytes, value: msgpack<number>() }
/** The neighbours' rows must never show. */
const around = (spec: StoreSpec) => [
  { ...base, kind: 'key-value', name: 'stor' } as StoreSpec,
  spec,
  { ...base, kind: 'key-value', name: 'store-more' } as StoreSpec,
]
const specs = {
  'key-value': { ...base, kind: 'key-value', name: 'store' },
  'timestamped-key-value': { ...base, kind: 'timestamped-key-value', name: 'store' },
  window: { ...base, kind: 'window', name: 'store', retentionMs: 1_000 },
  session: { ...base, kind: 'session', name: 'store', retentionMs: 1_000 },
  versioned: { ...base, kind: 'versioned', name: 'store', historyMs: 1_000 },
} as unknown as Record<StoreSpec['kind'], StoreSpec>

async function openState(kind: StoreSpec['kind'], storage: Storage): Promise<TaskState> {
  const stores = around(specs[kind]).map((spec) => ({ ...spec, storage }) as StoreSpec)
  const openDisk = async () => {
    const folder = await temporaryDirectory()
    onTestFinished(() => folder[Symbol.asyncDispose]())
    return openLevelStore(folder.path)
  }
  return TaskState.open({ stores, openDisk })
}

const persist = (state: TaskState, generation: number) =>
  state.persist(generation, { positions: new Map(), sourceOffsets: new Uint8Array(0) })

async function rowsOf(state: TaskState, query: RowQuery): Promise<StoreRow[]> {
  const rows = (await Array.fromAsync(state.read('store', query))).flatMap(({ row }) => row ?? [])
  return rows.map((row) => ({ ...row, key: Uint8Array.from(row.key) }))
}

/** Few bytes that matter: keys begin with one another, and look like the times that follow keys. */
const key = fc
  .array(fc.constantFrom(0, 1, 97, 255), { minLength: 1, maxLength: 4 })
  .map((list) => Uint8Array.from(list))
const timeMs = fc.integer({ min: 0, max: 400 })
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const put = fc.record({ key, timeMs, lengthMs: timeMs, value: fc.integer(), isDeletion: fc.boolean() })
const keyBounds = fc.oneof(
  fc.record({ key }),
  fc.record({ from: optional(key), to: optional(key) }),
  fc.record({ prefix: optional(key), from: optional(key), to: optional(key) }),
)
const timeBounds = fc.record({ fromMs: optional(timeMs), toMs: optional(timeMs) })

type Put = typeof put extends fc.Arbitrary<infer T> ? T : never

const writers: Record<StoreSpec['kind'], (state: TaskState, generation: number, put: Put) => void> = {
  'key-value': (state, generation, { key, value, isDeletion }) => {
    const store = state.view<KeyValueStore<Key, number>>('store', () => generation)
    if (isDeletion) store.delete(key)
    else store.put(key, value)
  },
  'timestamped-key-value': (state, generation, { key, value, timeMs: timestamp, isDeletion }) => {
    const store = state.view<KeyValueStore<Key, Timestamped<number>>>('store', () => generation)
    if (isDeletion) store.delete(key)
    else store.put(key, { value, timestamp })
  },
  window: (state, generation, { key, value, timeMs, isDeletion }) => {
    const store = state.view<WindowStore<Key, number>>('store', () => generation)
    store.put(key, timeMs, isDeletion ? null : value, timeMs + 7)
  },
  session: (state, generation, { key, value, timeMs: startMs, lengthMs, isDeletion }) => {
    const store = state.view<SessionStore<Key, number>>('store', () => generation)
    const window = { startMs, endMs: startMs + lengthMs }
    store.put({ key, window }, isDeletion ? null : value, window.endMs)
  },
  versioned: (state, generation, { key, value, timeMs, isDeletion }) => {
    const store = state.view<VersionedStore<Key, number>>('store', () => generation)
    store.put(key, isDeletion ? null : value, timeMs)
  },
}

const compare = (a: Key, b: Key) => Buffer.compare(a, b)
const startsWith = (whole: Key, prefix: Key) => compare(whole.subarray(0, prefix.length), prefix) === 0

function hasKey({ key }: StoreRow, { key: own, from, to, prefix }: RowQuery): boolean {
  if (own && compare(key, own) !== 0) return false
  if (from && compare(key, from) < 0) return false
  return !(to && compare(key, to) > 0) && !(prefix && !startsWith(key, prefix))
}

function isInTime(row: StoreRow, query: RowQuery, kind: string): boolean {
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = query
  const { startMs = 0, endMs = 0, timestamp = 0, untilMs = Number.POSITIVE_INFINITY } = row
  if (kind === 'window') return startMs >= fromMs && startMs <= toMs
  if (kind === 'session') return endMs >= fromMs && startMs <= toMs
  return kind !== 'versioned' || (timestamp <= toMs && untilMs > fromMs)
}

/** All that a store has, as its own view tells, for a naive look. */
async function contents(state: TaskState, kind: StoreSpec['kind'], puts: readonly Put[]): Promise<StoreRow[]> {
  const view = <S>() => state.view('store', () => -1) as S
  if (kind === 'key-value')
    return (await Array.fromAsync(view<KeyValueStore<Key, number>>().range())).map(([key, value]) => ({ key, value }))
  if (kind === 'timestamped-key-value') {
    const entries = await Array.fromAsync(view<KeyValueStore<Key, Timestamped<number>>>().range())
    return entries.map(([key, held]) => ({ key, ...held }))
  }
  if (kind === 'window') return [...view<WindowStore<Key, number>>().all()].map(([key, entry]) => ({ key, ...entry }))
  if (kind === 'session') {
    const sessions = [...view<SessionStore<Key, number>>().all()]
    return sessions.map(({ session: { key, window }, ...held }) => ({ key, ...window, ...held }))
  }
  const versions = view<VersionedStore<Key, number>>()
  const keys = new Map(puts.map((put) => [String(put.key), put.key]))
  const times = puts.map((put) => put.timeMs)
  return [...keys.values()].flatMap((key) => {
    const found = [...times, undefined].flatMap((time) => versions.get(key, time) ?? [])
    const distinct = new Map(found.map((version) => [version.timestamp, version]))
    return [...distinct.values()].map((version) => ({ key, ...version }))
  })
}

const byKeyAndTime = (a: StoreRow, b: StoreRow) =>
  compare(a.key, b.key) ||
  (a.endMs ?? 0) - (b.endMs ?? 0) ||
  (a.startMs ?? 0) - (b.startMs ?? 0) ||
  (a.timestamp ?? 0) - (b.timestamp ?? 0)

const plain = (rows: readonly StoreRow[]) =>
  rows.map((row) => ({ ...row, key: Uint8Array.from(row.key) })).toSorted(byKeyAndTime)

async function filled(kind: StoreSpec['kind'], storage: Storage, puts: readonly Put[], durable: number) {
  const state = await openState(kind, storage)
  for (const [index, each] of puts.entries()) writers[kind](state, index < durable ? 1 : 2, each)
  if (durable > 0) await persist(state, 1)
  return state
}

/** As a client with pages of one row would. */
async function rowByRow(state: TaskState, query: RowQuery): Promise<StoreRow[]> {
  const rows: StoreRow[] = []
  let after: Uint8Array | undefined
  for (let reads = 0; reads < 100; reads++) {
    const next = await state
      .read('store', { ...query, after })
      [Symbol.asyncIterator]()
      .next()
    if (next.done) return rows
    after = next.value.place
    if (next.value.row) rows.push(next.value.row)
  }
  throw new Error('the pages do not end')
}

const kinds = Object.keys(specs) as StoreSpec['kind'][]

describe.each(kinds)('a query of a store of kind %s', (kind) => {
  test.each(['memory', 'level'] as const)(
    'gives what the bounds say of all that was put, durable or not, whole or page by page (%s)',
    async (storage) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(put, { maxLength: 30 }),
          fc.nat(30),
          fc.record({ keys: keyBounds, times: timeBounds }),
          async (puts, durable, { keys, times }) => {
            await using state = await filled(kind, storage, puts, durable)
            const query: RowQuery = { ...keys, ...times }

            const found = await rowsOf(state, query)
            const paged = await rowByRow(state, query)

            // Versions that were replaced are found by their key alone.
            const all = (await contents(state, kind, puts)).filter((row) => !row.untilMs || query.key)
            const asked = all.filter((row) => hasKey(row, query) && isInTime(row, query, kind))
            expect(plain(found)).toEqual(plain(asked))
            expect(plain(paged)).toEqual(plain(found))
          },
        ),
        { numRuns: storage === 'memory' ? 150 : 15 },
      )
    },
  )
})

test('rows come by key, then by time, the versions of a key from the oldest on', async () => {
  await using state = await openState('versioned', 'memory')
  const store = state.view<VersionedStore<Key, number>>('store', () => 1)
  for (const [timestamp, value] of [
    [10, 1],
    [30, 3],
    [20, 2],
  ] as const)
    store.put(Buffer.from('a'), value, timestamp)

  const history = await rowsOf(state, { key: Buffer.from('a'), fromMs: 20 })
  const asOf = await rowsOf(state, { key: Buffer.from('a'), fromMs: 25, toMs: 25 })

  expect(history.map(({ value, untilMs }) => [value, untilMs])).toEqual([
    [2, 30],
    [3, undefined],
  ])
  expect(asOf.map(({ value }) => value)).toEqual([2])
})

test('a key that the last one begins with is found, though its row lies behind that of the last one', async () => {
  await using state = await openState('window', 'memory')
  const store = state.view<WindowStore<Key, number>>('store', () => 1)
  store.put(Uint8Array.of(0), 400, 1, 400)
  store.put(new Uint8Array(8), 100, 2, 100)

  const found = await rowsOf(state, { to: new Uint8Array(8) })

  expect(found.map(({ value }) => value)).toEqual([2, 1])
})
