import type { ProducerRecord } from '../../runtime/broker.ts'

/** A topic refuses a batch beyond its `max.message.bytes`, by default 1 MiB. */
const batchBytes = 512 * 1024
/** Room for what a record needs besides its key, value and headers. */
const recordOverhead = 64

/** Consecutive records of one partition that travel together, and their places in what the caller sent. */
export interface Batch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ProducerRecord[]
  readonly indexes: readonly number[]
}

interface Entry {
  readonly record: ProducerRecord
  readonly index: number
}

/** Rounds of batches: in each round at most one of a partition, the next in its order. */
export function* roundsOf(records: readonly ProducerRecord[]): Generator<Batch[]> {
  const entries = records.map((record, index) => ({ record, index }))
  const partitions = Map.groupBy(entries, ({ record }) => `${record.topic}-${record.partition}`)
  const queues = [...partitions.values()].map((ofPartition) => [...batchesOf(ofPartition)])
  const rounds = Math.max(0, ...queues.map((batches) => batches.length))
  for (let round = 0; round < rounds; round++)
    yield queues.map((batches) => batches[round]).filter((batch) => batch !== undefined)
}

/** Two batches of half the records. */
export function halvesOf({ topic, partition, records, indexes }: Batch): Batch[] {
  const middle = Math.ceil(records.length / 2)
  return [
    { topic, partition, records: records.slice(0, middle), indexes: indexes.slice(0, middle) },
    { topic, partition, records: records.slice(middle), indexes: indexes.slice(middle) },
  ]
}

function* batchesOf(entries: readonly Entry[]): Generator<Batch> {
  let start = 0
  let bytes = 0
  for (const [position, { record }] of entries.entries()) {
    const size = sizeOf(record)
    if (position > start && bytes + size > batchBytes) {
      yield batchOf(entries.slice(start, position))
      start = position
      bytes = 0
    }
    bytes += size
  }
  yield batchOf(entries.slice(start))
}

function batchOf(entries: readonly Entry[]): Batch {
  const records = entries.map(({ record }) => record)
  const { topic = '', partition = 0 } = records[0] ?? {}
  return { topic, partition, records, indexes: entries.map(({ index }) => index) }
}

function sizeOf({ key, value, headers }: ProducerRecord): number {
  const headerBytes = headers.reduce((sum, header) => sum + header.key.length + (header.value?.length ?? 0), 0)
  return recordOverhead + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes
}
