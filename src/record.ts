/** One header of a record. Keys may repeat; order is kept. */
export interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

export type Headers = readonly Header[]

export const noHeaders: Headers = Object.freeze([])

/**
 * A record as it flows between processors.
 *
 * `value` null is a tombstone: the key was deleted. `timestamp` is in milliseconds since the epoch (event time).
 */
export interface StreamRecord<K, V> {
  readonly key: K
  readonly value: V | null
  readonly timestamp: number
  readonly headers: Headers
}

/** Where a record came from. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** `record` with another value; key, timestamp and headers stay. */
export function withValue<K, V>(record: StreamRecord<K, unknown>, value: V | null): StreamRecord<K, V> {
  return { key: record.key, value, timestamp: record.timestamp, headers: record.headers }
}

/** `record` with another key and value; timestamp and headers stay. */
export function withKeyValue<K, V>(
  record: StreamRecord<unknown, unknown>,
  key: K,
  value: V | null,
): StreamRecord<K, V> {
  return { key, value, timestamp: record.timestamp, headers: record.headers }
}

/** The last header of that key, as text. */
export function headerText(headers: Headers, key: string): string | undefined {
  const header = headers.findLast((candidate) => candidate.key === key)
  return header?.value ? new TextDecoder().decode(header.value) : undefined
}
