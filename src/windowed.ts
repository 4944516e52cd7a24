import { StreamError } from './errors.ts'
import type { Serde } from './serde.ts'
import { readTime, timeBytes, writeTime } from './time-bytes.ts'

/** A stretch of event time in milliseconds. Time windows end before `endMs`; sliding windows and sessions include it. */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

/** A key in one of its windows. */
export interface Windowed<K> {
  readonly key: K
  readonly window: Window
}

const sequenceBytes = 4

/** How many bytes lie behind the key of a window, and of a session. The first eight are a time. */
export const bytesBehindKey = { window: timeBytes + sequenceBytes, session: 2 * timeBytes } as const

/** Bytes of the key of a window in a changelog, as Kafka Streams writes it: key, start, and a sequence number that is always 0. */
export function windowKey(key: Uint8Array, startMs: number): Uint8Array {
  return joined(key, [startMs], sequenceBytes)
}

/** What `windowKey` has joined. */
export function splitWindowKey(bytes: Uint8Array): { readonly key: Uint8Array; readonly startMs: number } {
  const [key, [startMs = 0]] = split(bytes, 1, sequenceBytes)
  return { key, startMs }
}

/** Bytes of the key of a session in a changelog, as Kafka Streams writes it: key, end, start. */
export function sessionKey(key: Uint8Array, { startMs, endMs }: Window): Uint8Array {
  return joined(key, [endMs, startMs], 0)
}

/** What `sessionKey` has joined. */
export function splitSessionKey(bytes: Uint8Array): { readonly key: Uint8Array; readonly window: Window } {
  const [key, [endMs = 0, startMs = 0]] = split(bytes, 2, 0)
  return { key, window: { startMs, endMs } }
}

/**
 * Serde of the keys of tumbling, hopping and sliding windows, in the format of Kafka Streams' `TimeWindowedSerde`: the key and the start.
 * The end is not written; it is the start plus `sizeMs` (for sliding windows the time difference). In a topic all windows of a key are in the
 * partition of the key.
 *
 * @example
 * stream.to('counts', kafkaTopic({ topic: 'counts', key: timeWindowed(string, 60_000), value: msgpack<number>() }))
 */
export function timeWindowed<K>(key: Serde<K>, sizeMs: number): Serde<Windowed<K>> {
  return {
    name: `timeWindowed(${key.name})`,
    partitionedBy: (bytes) => split(bytes, 1, 0)[0],
    serialize: ({ key: inner, window }) => joined(key.serialize(inner), [window.startMs], 0),
    deserialize: (bytes) => {
      const [inner, [startMs = 0]] = split(bytes, 1, 0)
      return { key: key.deserialize(inner), window: { startMs, endMs: startMs + sizeMs } }
    },
  }
}

/** Serde of the keys of sessions, in the format of Kafka Streams' `SessionWindowedSerde`: the key, the end and the start. */
export function sessionWindowed<K>(key: Serde<K>): Serde<Windowed<K>> {
  return {
    name: `sessionWindowed(${key.name})`,
    partitionedBy: (bytes) => splitSessionKey(bytes).key,
    serialize: ({ key: inner, window }) => sessionKey(key.serialize(inner), window),
    deserialize: (bytes) => {
      const { key: inner, window } = splitSessionKey(bytes)
      return { key: key.deserialize(inner), window }
    },
  }
}

function joined(key: Uint8Array, times: readonly number[], zeros: number): Uint8Array {
  const end = key.length + times.length * timeBytes
  const bytes = Buffer.allocUnsafe(end + zeros)
  bytes.set(key)
  let position = key.length
  for (const time of times) position = writeTime(bytes, time, position)
  return zeros === 0 ? bytes : bytes.fill(0, end)
}

function split(bytes: Uint8Array, times: number, zeros: number): [key: Uint8Array, times: number[]] {
  const keyLength = bytes.length - times * timeBytes - zeros
  if (keyLength < 0) throw new StreamError('RECORD_UNDECODABLE', `${bytes.length} bytes are no key of a window`)
  const found = Array.from({ length: times }, (_, index) => readTime(bytes, keyLength + index * timeBytes))
  return [bytes.subarray(0, keyLength), found]
}
