import { StreamError } from '../errors.ts'
import type { Serde } from '../serde.ts'
import { readTime, timeBytes, writeTime } from '../time-bytes.ts'

/** A value and the event time that it holds for. */
export interface Timestamped<V> {
  readonly value: V
  /** Milliseconds since the epoch. */
  readonly timestamp: number
}

/** The time in eight bytes, then the value. Only stores hold this: in changelogs the value is plain and the record carries the time. */
export function timestamped<V>(value: Serde<V>): Serde<Timestamped<V>> {
  return {
    name: `timestamped(${value.name})`,
    serialize: (held) => withTimestamp(value.serialize(held.value), held.timestamp),
    deserialize: (bytes) => ({
      value: value.deserialize(withoutTimestamp(bytes)),
      timestamp: timestampOf(bytes),
    }),
  }
}

export function withTimestamp(value: Uint8Array, timestamp: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(timeBytes + value.length)
  writeTime(bytes, timestamp)
  bytes.set(value, timeBytes)
  return bytes
}

export function withoutTimestamp(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(timeBytes)
}

export function timestampOf(bytes: Uint8Array): number {
  if (bytes.length < timeBytes) throw new StreamError('STATE_FORMAT', 'a stored value has no timestamp')
  return readTime(bytes)
}
