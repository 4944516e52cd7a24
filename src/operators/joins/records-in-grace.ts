import type { Headers, StreamRecord } from '../../record.ts'
import { msgpack, type Serde } from '../../serde.ts'
import type { WindowStore, WindowStoreSpec } from '../../state/store.ts'
import { listOf } from './side.ts'

/** What is kept of a record under its key and time. */
interface Held<V> {
  readonly value: V
  readonly headers: Headers
}

/** In the order in which they came. */
type Waiting<V> = readonly Held<V>[]
export type GraceStore<K, V> = WindowStore<K, Waiting<V>>

/** The store for records that wait. */
export function graceStoreSpec<K, V>(
  place: Pick<WindowStoreSpec<K, V>, 'name' | 'storage' | 'key' | 'value'>,
): WindowStoreSpec<K, Waiting<V>> {
  return { ...place, kind: 'window', value: listOf(held(place.value)), retentionMs: Number.POSITIVE_INFINITY }
}

/**
 * Lets a record wait until the largest timestamp that came is `graceMs` past its own, and gives those that need wait no longer, in the order
 * of time, of the bytes of the keys, and as they came. One that comes later than that goes at once. After `KStreamKTableJoinProcessor` of
 * Kafka Streams.
 */
export function* dueAfterGrace<K, V>(
  rows: GraceStore<K, V>,
  { key, timestamp, headers, value }: StreamRecord<K, V> & Held<V>,
  graceMs: number,
): Generator<StreamRecord<K, V> & Held<V>> {
  if (timestamp < rows.observedMs - graceMs) {
    yield { key, timestamp, headers, value }
    return
  }
  const before = rows.fetch(key, timestamp)?.value ?? []
  rows.put(key, timestamp, [...before, { value, headers }], timestamp)
  for (const [dueKey, { startMs, value: waiting }] of rows.between(0, rows.observedMs - graceMs)) {
    rows.put(dueKey, startMs, null, startMs)
    for (const due of waiting) yield { key: dueKey, timestamp: startMs, ...due }
  }
}

function held<V>(value: Serde<V>): Serde<Held<V>> {
  const pair = msgpack<readonly [value: Uint8Array, headers: Headers]>()
  return {
    name: `held(${value.name})`,
    serialize: (one) => pair.serialize([value.serialize(one.value), one.headers]),
    deserialize: (bytes) => {
      const [valueBytes, headers] = pair.deserialize(bytes)
      return { value: value.deserialize(valueBytes), headers }
    },
  }
}
