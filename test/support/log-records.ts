import { noHeaders } from '../../src/record.ts'
import type { Broker, LogRecord, ProducerRecord, TopicPartition } from '../../src/runtime/broker.ts'

/** A record with text as key and value; value null is a tombstone. */
export function logRecord(place: TopicPartition, key: string, value: string | null, timestamp = 0): ProducerRecord {
  return {
    ...place,
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestamp,
    headers: noHeaders,
  }
}

/** Everything that a read finds in one partition. */
export async function readAll(broker: Broker, place: TopicPartition, from = 0): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for await (const batch of broker.read(place, from)) records.push(...batch.records)
  return records
}

/** `[offset, key, value]` of each record. */
export function contents(records: readonly LogRecord[]): [number, string | null, string | null][] {
  const text = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString()
  return records.map(({ offset, key, value }) => [offset, text(key), text(value)])
}
