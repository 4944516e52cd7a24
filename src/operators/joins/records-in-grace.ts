import { StreamError } from '../../errors.ts'
import { packed, packOptional, unpackOptional } from '../../packed-serde.ts'
import type { Headers, StreamRecord } from '../../record.ts'
import { requireAtLeast } from '../../require-at-least.ts'
import { msgpack, type Serde } from '../../serde.ts'
import type { WindowStore, WindowStoreSpec } from '../../state/store.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { Table } from '../../topology/stream.ts'
import { listOf } from './side.ts'

/** Lets the records of a join wait for the rows of a table. */
export interface GraceOptions<K, V> {
  /** Of the join. */
  readonly name: string
  readonly other: Table<K, unknown>
  readonly graceMs: number
  readonly input?: Serde<V>
  readonly storage?: 'level' | 'memory'
}

/** What is kept of a record under its key and time. */
interface Held<V> {
  /** Null: a deletion on its way to an index. */
  readonly value: V | null
  readonly headers: Headers
}

/** In the order in which they came. */
type Waiting<V> = readonly Held<V>[]
type Rows<K, V> = WindowStore<K, Waiting<V>>

/**
 * Lets a record wait until the largest timestamp that came is `graceMs` past its own. What need wait no longer goes on in the order of time,
 * of the bytes of the keys, and as it came; a record that comes later than that goes on at once. One without a key can wait nowhere: it is
 * dropped. After `KStreamKTableJoinProcessor` of Kafka Streams, as a node of its own: where the join of one record fails, the others that
 * are due are joined.
 *
 * Throws CONFIG_INVALID for a grace that is negative, and TOPOLOGY_INVALID for a table without a history, or with a shorter one.
 */
export function waitForRows<K, V>(options: GraceOptions<K, V>): ProcessorSupplier<K | null, V, K, V> {
  const { other, graceMs, input = msgpack<V>(), storage = 'level' } = options
  requireHistory(options)
  const name = `${options.name}-waiting`
  const spec: WindowStoreSpec<K, Waiting<V>> = {
    kind: 'window',
    name,
    key: other.rows.key,
    value: listOf(heldSerde(input)),
    storage,
    retentionMs: Number.POSITIVE_INFINITY,
  }
  return {
    name,
    operator: 'waitForRows',
    stores: [spec],
    create: () => ({
      process(record, context) {
        const { key, value } = record
        // Before an index it is a deletion, which must not overtake what waits under its key.
        if (value === null && !context.maintainsIndex) return context.drop('null_value')
        if (key === null) return context.drop('null_key')
        for (const due of admitted(context.store(name), { ...record, key }, graceMs)) context.forward(due)
      },
    }),
  }
}

/** What goes on now that the record has come. */
function* admitted<K, V>(rows: Rows<K, V>, record: StreamRecord<K, V>, graceMs: number): Generator<StreamRecord<K, V>> {
  if (record.timestamp < rows.observedMs - graceMs) yield record
  else {
    add(rows, record)
    yield* taken(rows, rows.observedMs - graceMs)
  }
}

function add<K, V>(rows: Rows<K, V>, { key, timestamp, value, headers }: StreamRecord<K, V>): void {
  const before = rows.fetch(key, timestamp)?.value ?? []
  rows.put(key, timestamp, [...before, { value, headers }], timestamp)
}

/** Takes out what came at that time or before. */
function* taken<K, V>(rows: Rows<K, V>, toMs: number): Generator<StreamRecord<K, V>> {
  for (const [key, { startMs, value: waiting }] of rows.between(0, toMs)) {
    rows.put(key, startMs, null, startMs)
    for (const one of waiting) yield { key, timestamp: startMs, ...one }
  }
}

function requireHistory<K, V>({ name, other, graceMs }: GraceOptions<K, V>): void {
  requireAtLeast(0, `graceMs of join "${name}"`, graceMs)
  const { history } = other.rows
  if (!history) {
    const fact = `join "${name}" waits for the rows of a time, but table "${other.name}" knows only the latest`
    throw new StreamError('TOPOLOGY_INVALID', fact, { fix: 'Give the table `historyMs`, or leave out `graceMs`.' })
  }
  if (history.historyMs < graceMs) {
    const fact = `join "${name}" waits ${graceMs} ms, but table "${other.name}" forgets its rows after ${history.historyMs} ms`
    throw new StreamError('TOPOLOGY_INVALID', fact, { fix: 'Give the table a `historyMs` of `graceMs` or more.' })
  }
}

type Packed = readonly [value: Uint8Array | null, headers: Headers]

function heldSerde<V>(value: Serde<V>): Serde<Held<V>> {
  return packed(
    `held(${value.name})`,
    (held): Packed => [packOptional(held.value, value), held.headers],
    ([held, headers]) => ({ value: unpackOptional(held, value), headers }),
  )
}
