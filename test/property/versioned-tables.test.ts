import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { aggregate, joinTable, leftJoinTable, outerJoinTable } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { PutVersion, StoreSpec, Version, VersionedStore } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Stream, Table } from '../../src/topology/stream.ts'

interface Put {
  readonly key: string
  readonly value: number | null
  readonly timestamp: number
}

const keys = ['a', 'b'] as const
const put: fc.Arbitrary<Put> = fc.record({
  key: fc.constantFrom(...keys),
  value: fc.option(fc.nat(9), { freq: 3 }),
  timestamp: fc.nat(40),
})
const histories = fc.constantFrom(0, 5, 20, 1_000)

/** Every put that was taken, and the largest time: what a versioned store is without any cleverness. */
class NaiveHistory {
  readonly #historyMs: number
  readonly #taken: Put[] = []
  observedMs = -1

  constructor(historyMs: number) {
    this.#historyMs = historyMs
  }

  put(put: Put): PutVersion {
    if (put.timestamp < this.observedMs - this.#historyMs) return 'expired'
    this.#taken.push(put)
    this.observedMs = Math.max(this.observedMs, put.timestamp)
    return last(this.#taken.filter(({ key }) => key === put.key)) === put ? 'latest' : 'replaced'
  }

  get(key: string, asOfMs = Number.POSITIVE_INFINITY): number | null {
    const own = this.#taken.filter((taken) => taken.key === key)
    const latest = last(own)
    if (!latest || latest.timestamp <= asOfMs) return latest?.value ?? null
    return asOfMs < this.observedMs - this.#historyMs
      ? null
      : (last(own.filter(({ timestamp }) => timestamp <= asOfMs))?.value ?? null)
  }
}

/** The last in time; of equal times the one that came last. */
function last(puts: readonly Put[]): Put | undefined {
  return puts.reduce<Put | undefined>((best, one) => (best && best.timestamp > one.timestamp ? best : one), undefined)
}

const steps = fc.array(fc.record({ put, cut: fc.constantFrom('no', 'no', 'persist', 'restore') }), { maxLength: 30 })
/** Undefined: now. */
const times = [undefined, ...Array(42).keys()]

describe('a versioned store', () => {
  test('finds as of any time what a naive history has, wherever generations are cut and it is restored', async () => {
    await fc.assert(
      fc.asyncProperty(steps, histories, async (sequence, historyMs) => {
        const naive = new NaiveHistory(historyMs)
        await using stored = await restorableStore(historyMs)
        for (const { put, cut } of sequence) {
          expect(stored.store().put(put.key, put.value, put.timestamp)).toBe(naive.put(put))
          await stored.cut(cut)
        }
        for (const key of keys) {
          const found = times.map((timeMs) => valueOrNull(stored.store().get(key, timeMs)))
          expect(found).toEqual(times.map((timeMs) => naive.get(key, timeMs)))
        }
      }),
      { numRuns: 100 },
    )
  })
})

function valueOrNull<V>(version: Version<V> | undefined): V | null {
  return version ? version.value : null
}

/** A store whose changelog is kept, compacted as a broker would. */
async function restorableStore(historyMs: number) {
  const stores = [{ kind: 'versioned', name: 's', key: string, value: msgpack<number>(), historyMs }] as StoreSpec[]
  const open = () => TaskState.open({ stores, openDisk: async () => memoryStore() })
  const changelog = new Map<string, { key: Uint8Array; value: Uint8Array; timestamp: number }>()
  let state = await open()
  let generation = 1
  return {
    store: () => state.view<VersionedStore<string, number>>('s', () => generation),
    async cut(cut: 'no' | 'persist' | 'restore') {
      if (cut === 'no') return
      for (const { key, value, timestamp = 0 } of state.changes(generation)) {
        const place = Buffer.from(key).toString('hex')
        changelog.delete(place)
        if (value) changelog.set(place, { key, value, timestamp })
      }
      await state.persist(generation++, { positions: new Map(), sourceOffsets: new Uint8Array(0) })
      if (cut === 'persist') return
      await state.close()
      state = await open()
      await state.restore('s', [...changelog.values()], changelog.size)
    },
    [Symbol.asyncDispose]: () => state.close(),
  }
}

const orders = kafka({ topic: 'orders', key: string, value: msgpack<number>() })
const prices = kafka({ topic: 'prices', key: string, value: msgpack<number>() })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<unknown>() })

interface Input extends Put {
  readonly side: 'orders' | 'prices'
}

const inputs: fc.Arbitrary<readonly Input[]> = fc.array(
  fc.tuple(put, fc.constantFrom('orders', 'prices')).map(([record, side]) => ({ ...record, side })),
  { minLength: 1, maxLength: 25, size: 'max' },
)
/** Before which inputs the runtime is dropped, and restored from its changelogs. */
const restarts = fc.uniqueArray(fc.nat(24), { maxLength: 2 })

type Join = (orders: Stream<string, number>, prices: Table<string, number>) => Stream<string, unknown>

/** `key=value@timestamp` of everything that came out. */
async function played(join: Join, historyMs: number, records: readonly Input[], stops: readonly number[]) {
  const builder = new TopologyBuilder()
  join(builder.stream('orders', orders), builder.table('prices', prices, { historyMs })).to('out', target)
  await using driver = await TopologyTestDriver.start(builder.build())
  for (const [index, { side, key, value, timestamp }] of records.entries()) {
    if (stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe({ orders, prices }[side], { key, value, timestamp })
  }
  return (await driver.read(target)).map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`)
}

function pair(order: number, price: number | null): string {
  return `${order} for ${price}`
}

/** The definition of a left join with a versioned table: what goes out, in which order, joined with what there was at its time. */
function joined(records: readonly Input[], historyMs: number, graceMs: number | undefined): string[] {
  const history = new NaiveHistory(historyMs)
  const out: string[] = []
  let waiting: Input[] = []
  let observedMs = -1
  const send = ({ key, value, timestamp }: Input) =>
    out.push(`${key}=${pair(value ?? 0, history.get(key, timestamp))}@${timestamp}`)
  for (const record of records) {
    if (record.side === 'prices') history.put(record)
    else if (record.value === null) continue
    else if (graceMs === undefined || record.timestamp < observedMs - graceMs) send(record)
    else {
      observedMs = Math.max(observedMs, record.timestamp)
      waiting = [...waiting, record].sort(
        (a, b) => a.timestamp - b.timestamp || (a.key < b.key ? -1 : a.key === b.key ? 0 : 1),
      )
      const isDue = ({ timestamp }: Input) => timestamp <= observedMs - graceMs
      for (const due of waiting.filter(isDue)) send(due)
      waiting = waiting.filter((one) => !isDue(one))
    }
  }
  return out
}

type Prices = Table<string, number>

const tableJoins = [
  ['inner', (left: Prices, right: Prices) => left.process(joinTable('j', right, text))],
  ['left', (left: Prices, right: Prices) => left.process(leftJoinTable('j', right, text))],
  ['outer', (left: Prices, right: Prices) => left.process(outerJoinTable('j', right, text))],
] as const

describe('whatever comes in what order, and wherever it crashes', () => {
  test.each([undefined, 0, 10])(
    'a stream with a versioned table and a grace of %s gives what the definition says',
    async (graceMs) => {
      const join: Join = (stream, table) =>
        graceMs === undefined
          ? stream.process(leftJoinTable('j', table, pair))
          : stream.process(leftJoinTable('j', table, pair, { graceMs }))
      const longEnough = histories.filter((historyMs) => historyMs >= (graceMs ?? 0))
      await fc.assert(
        fc.asyncProperty(inputs, longEnough, restarts, async (records, historyMs, stops) => {
          expect(await played(join, historyMs, records, stops)).toEqual(joined(records, historyMs, graceMs))
        }),
        { numRuns: 25 },
      )
    },
  )

  test.each(tableJoins)('the %s join of versioned tables is that of their latest rows', async (kind, join) => {
    await fc.assert(
      fc.asyncProperty(inputs, histories, restarts, async (records, historyMs, stops) => {
        const derive = (builder: TopologyBuilder) =>
          join(builder.table('orders', orders, { historyMs }), builder.table('prices', prices, { historyMs }))
        const expected = keys.flatMap((key) => {
          const [left, right] = [
            latestOf(records, 'orders', historyMs, key),
            latestOf(records, 'prices', historyMs, key),
          ]
          const isRow =
            kind === 'outer' ? (left ?? right) !== null : left !== null && (kind === 'left' || right !== null)
          return isRow ? [[key, text(left, right)]] : []
        })

        expect(await rowsSent(derive, records, stops)).toEqual(Object.fromEntries(expected))
      }),
      { numRuns: 20 },
    )
  })

  test('the sums of a versioned table are those of its latest rows', async () => {
    await fc.assert(
      fc.asyncProperty(inputs, histories, restarts, async (records, historyMs, stops) => {
        const derive = (builder: TopologyBuilder) =>
          builder.table('orders', orders, { historyMs }).process(
            aggregate('sum', {
              by: (value) => (value % 2 === 0 ? 'even' : 'odd'),
              initialize: () => 0,
              add: (sum: number, value) => sum + value,
              subtract: (sum, value) => sum - value,
            }),
          )
        const own = records.filter(({ side }) => side === 'orders')
        const rows = keys.flatMap((key) => latestOf(own, 'orders', historyMs, key) ?? [])
        const sum = (parity: number) => rows.filter((value) => value % 2 === parity).reduce((a, b) => a + b, 0)

        const { even = 0, odd = 0 } = await rowsSent(derive, own, stops)

        expect({ even, odd }).toEqual({ even: sum(0), odd: sum(1) })
      }),
      { numRuns: 20 },
    )
  })
})

function text(left: number | null, right: number | null): string {
  return `${left}|${right}`
}

function latestOf(records: readonly Input[], side: Input['side'], historyMs: number, key: string): number | null {
  const history = new NaiveHistory(historyMs)
  for (const record of records) if (record.side === side) history.put(record)
  return history.get(key)
}

/** What the table that comes out has in the end, by what it sent. */
async function rowsSent(
  derive: (builder: TopologyBuilder) => Table<string, unknown>,
  records: readonly Input[],
  stops: readonly number[],
): Promise<Record<string, unknown>> {
  const builder = new TopologyBuilder()
  derive(builder).toStream().to('out', target)
  await using driver = await TopologyTestDriver.start(builder.build())
  for (const [index, { side, key, value, timestamp }] of records.entries()) {
    if (stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe({ orders, prices }[side], { key, value, timestamp })
  }
  const rows = new Map<string, unknown>()
  for (const { key, value } of await driver.read(target)) {
    if (value === null) rows.delete(key)
    else rows.set(key, value)
  }
  return Object.fromEntries(rows)
}
