import type { IHeaders, Message, RecordMetadata, TopicMessages } from 'kafkajs'
import { StreamError } from '../../errors.ts'
import type { ProducerRecord } from '../../runtime/broker.ts'
import { causeOf, isPoison, topicMissing } from './errors.ts'

/** A batch of records for one partition is refused beyond the topic's `max.message.bytes`, by default 1 MiB. */
const batchBytes = 512 * 1024
/** KafkaJS copies what it has grouped so far for each record of a partition: the cost is quadratic in this. */
const batchRecords = 500
/** Batches for one broker travel in one request. */
const requestBatches = 16
/** Room for what a record needs besides its key and value. */
const recordOverhead = 64
const repetitions = 3

/** What sends to the brokers: a KafkaJS producer, or a transaction of one. */
export interface BatchSender {
  /** The brokers that lead the partitions of a topic; a partition that does not exist is not in the map. */
  leaders(topic: string): Promise<ReadonlyMap<number, number>>
  sendBatch(batch: { readonly topicMessages: TopicMessages[] }): Promise<RecordMetadata[]>
}

/** Consecutive records for one partition that travel together, and their places in what the caller sent. */
interface Batch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ProducerRecord[]
  readonly indexes: readonly number[]
}

/**
 * Sends records and gives the offset of each. Several brokers are served at the same time; a request goes to one broker alone, so that
 * when it fails nothing else is under way for the partitions in it.
 *
 * Throws RECORD_REJECTED with `details.index` for a record that the broker will never take, TOPIC_MISSING, PRODUCE_FAILED when the broker
 * leaves a partition out of its answer, or what KafkaJS threw. Afterwards some of the records may have been written, and the sender must not
 * be used again: it may count sequence numbers wrongly.
 */
export async function sendRecords(sender: BatchSender, records: readonly ProducerRecord[]): Promise<number[]> {
  const offsets = new Array<number>(records.length)
  const byLeader = await batchesByLeader(sender, records)
  const settled = await Promise.allSettled(
    [...byLeader.values()].map(async (partitions) => {
      for (const request of requestsOf(partitions)) await sendRequest(sender, request, offsets)
    }),
  )
  for (const result of settled) if (result.status === 'rejected') throw result.reason
  return offsets
}

/** By broker, then by partition: the batches in the order in which they have to arrive. */
async function batchesByLeader(
  sender: BatchSender,
  records: readonly ProducerRecord[],
): Promise<Map<number, Batch[][]>> {
  const entries = records.map((record, index) => ({ record, index }))
  const byLeader = new Map<number, Batch[][]>()
  for (const [topic, ofTopic] of Map.groupBy(entries, ({ record }) => record.topic)) {
    const leaders = await sender.leaders(topic)
    for (const [partition, ofPartition] of Map.groupBy(ofTopic, ({ record }) => record.partition)) {
      const leader = leaders.get(partition)
      if (leader === undefined) throw topicMissing(`${topic}-${partition}`)
      const batches = [...batchesOf(ofPartition)]
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), batches])
    }
  }
  return byLeader
}

function* batchesOf(entries: readonly { readonly record: ProducerRecord; readonly index: number }[]): Generator<Batch> {
  let start = 0
  let bytes = 0
  for (const [position, { record }] of entries.entries()) {
    const size = sizeOf(record)
    if (position > start && (bytes + size > batchBytes || position - start === batchRecords)) {
      yield batchOf(entries.slice(start, position))
      start = position
      bytes = 0
    }
    bytes += size
  }
  yield batchOf(entries.slice(start))
}

function batchOf(entries: readonly { readonly record: ProducerRecord; readonly index: number }[]): Batch {
  const records = entries.map(({ record }) => record)
  const { topic = '', partition = 0 } = records[0] ?? {}
  return { topic, partition, records, indexes: entries.map(({ index }) => index) }
}

function sizeOf({ key, value, headers }: ProducerRecord): number {
  const headerBytes = headers.reduce((sum, header) => sum + header.key.length + (header.value?.length ?? 0), 0)
  return recordOverhead + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes
}

/** Each request takes at most one batch of a partition, the next one in its order. */
function* requestsOf(partitions: readonly (readonly Batch[])[]): Generator<Batch[]> {
  const rounds = Math.max(...partitions.map((batches) => batches.length))
  for (let round = 0; round < rounds; round++) {
    const due = partitions.map((batches) => batches[round]).filter((batch) => batch !== undefined)
    for (let start = 0; start < due.length; start += requestBatches) yield due.slice(start, start + requestBatches)
  }
}

async function sendRequest(sender: BatchSender, batches: readonly Batch[], offsets: number[]): Promise<void> {
  let unacknowledged = batches
  for (let attempt = 0; attempt < repetitions && unacknowledged.length > 0; attempt++) {
    try {
      const acknowledged = await sender.sendBatch({ topicMessages: unacknowledged.map(toTopicMessages) })
      // When a partition moves between two attempts to a broker that has answered before, KafkaJS forgets to send to it.
      unacknowledged = unacknowledged.filter((batch) => !noteOffsets(batch, acknowledged, offsets))
    } catch (error) {
      if (!isPoison(error)) throw error
      await isolate(sender, unacknowledged, { offsets, error })
      return
    }
  }
  const [first] = unacknowledged
  if (first)
    throw new StreamError('PRODUCE_FAILED', `${first.topic}-${first.partition} did not acknowledge its records`)
}

/**
 * The answer does not say which record it refuses. Batches are repeated as they were, one by one (the broker knows those that it has
 * already taken by their sequence numbers), and the refused one in halves.
 */
async function isolate(
  sender: BatchSender,
  batches: readonly Batch[],
  { offsets, error }: { readonly offsets: number[]; readonly error: unknown },
): Promise<void> {
  const [batch] = batches
  if (!batch) return
  const { topic, partition, records, indexes } = batch
  if (batches.length > 1) {
    for (const one of batches) await sendRequest(sender, [one], offsets)
  } else if (records.length > 1) {
    const middle = Math.ceil(records.length / 2)
    for (const [start, end] of [
      [0, middle],
      [middle, records.length],
    ])
      await sendRequest(
        sender,
        [{ topic, partition, records: records.slice(start, end), indexes: indexes.slice(start, end) }],
        offsets,
      )
  } else {
    const fact = `${topic}-${partition} refuses a record: ${causeOf(error)}`
    throw new StreamError('RECORD_REJECTED', fact, { cause: error, details: { topic, partition, index: indexes[0] } })
  }
}

function noteOffsets(batch: Batch, acknowledged: readonly RecordMetadata[], offsets: number[]): boolean {
  const { topic, partition, indexes } = batch
  const answer = acknowledged.find((one) => one.topicName === topic && one.partition === partition)
  if (answer?.baseOffset === undefined) return false
  for (const [position, index] of indexes.entries()) offsets[index] = Number(answer.baseOffset) + position
  return true
}

function toTopicMessages({ topic, records }: Batch): TopicMessages {
  return { topic, messages: records.map(toMessage) }
}

/** KafkaJS writes bytes that are not a Buffer as text, and takes the present for a timestamp that is the number 0. */
function toMessage({ partition, key, value, timestamp, headers }: ProducerRecord): Message {
  return {
    partition,
    key: toBuffer(key),
    value: toBuffer(value),
    timestamp: String(timestamp),
    // The corrected encoder takes a list.
    headers: headers as unknown as IHeaders,
  }
}

function toBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
