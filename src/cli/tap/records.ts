import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Broker, LogRecord, PartitionOffsets, ReadBatch, TopicPartition } from '../../runtime/broker.ts'
import { partitionsOf } from '../../runtime/partitions.ts'
import { positionOf, type TapStart } from './positions.ts'

export interface TapOptions {
  readonly start: TapStart
  /** Only this one. */
  readonly partition?: number | undefined
  /** Wait for more at the end. */
  readonly follow: boolean
  readonly signal: AbortSignal
  readonly clock: Clock
}

export interface TappedRecord extends TopicPartition {
  readonly record: LogRecord
}

const lookEveryMs = 300

/**
 * The records of a topic as they come, in the order of their offsets within a partition. Reads without a group, and commits nothing. Ends
 * at what was the end of the log, or with `follow` when the signal aborts.
 *
 * Throws TOPIC_MISSING, USAGE for a partition or an offset that there is not.
 */
export async function* tapRecords(broker: Broker, topic: string, options: TapOptions): AsyncGenerator<TappedRecord> {
  const { start, follow, signal, clock } = options
  const places = await placesOf(broker, topic, options.partition)
  const positions = await startsOf(broker, places, start)
  do {
    for await (const tapped of newRecords(broker, places, positions)) {
      if (signal.aborted) return
      if (isMeant(tapped.record, start)) yield tapped
    }
    if (follow) await delay(clock, lookEveryMs, signal).catch(() => undefined)
  } while (follow && !signal.aborted)
}

/** By partition. */
async function startsOf(
  broker: Broker,
  places: readonly TopicPartition[],
  start: TapStart,
): Promise<Map<number, number>> {
  const positions = new Map<number, number>()
  for (const range of await broker.offsets(places))
    positions.set(range.partition, await positionOf(broker, range, start))
  return positions
}

/** What was found by its time may have older ones behind it. */
function isMeant({ timestamp }: LogRecord, start: TapStart): boolean {
  return start.kind !== 'time' || timestamp >= start.timeMs
}

async function placesOf(
  broker: Broker,
  topic: string,
  partition: number | undefined,
): Promise<readonly TopicPartition[]> {
  const count = (await broker.topics([topic])).get(topic)?.partitions
  if (count === undefined)
    throw new StreamError('TOPIC_MISSING', `${broker.name} has no topic "${topic}"`, {
      fix: 'Run the application once, which makes it, or name the application with --application.',
      details: { topic },
    })
  if (partition !== undefined && partition >= count)
    throw new StreamError('USAGE', `"${topic}" has the partitions 0 to ${count - 1}, not ${partition}`)
  const all = partitionsOf(topic, count)
  return partition === undefined ? all : all.filter((place) => place.partition === partition)
}

/** What lies behind the positions now, a batch of each partition in turn: a long one holds back no other. Moves the positions. */
async function* newRecords(
  broker: Broker,
  places: readonly TopicPartition[],
  positions: Map<number, number>,
): AsyncGenerator<TappedRecord> {
  const open = new Set((await broker.offsets(places)).flatMap((range) => readingOf(broker, range, positions)))
  try {
    for (const reading of cycle(open)) {
      const { done, value } = await reading.batches.next()
      if (done) {
        open.delete(reading)
        continue
      }
      positions.set(reading.place.partition, value.next)
      for (const record of value.records) yield { ...reading.place, record }
    }
  } finally {
    for (const { batches } of open) await batches.return?.()
  }
}

interface PartitionReading {
  readonly place: TopicPartition
  readonly batches: AsyncIterator<ReadBatch>
}

function readingOf(
  broker: Broker,
  { topic, partition, earliest, latest }: PartitionOffsets,
  positions: ReadonlyMap<number, number>,
): readonly PartitionReading[] {
  // Retention may have taken what was not read yet.
  const from = Math.max(earliest, positions.get(partition) ?? latest)
  const place = { topic, partition }
  return from < latest ? [{ place, batches: broker.read(place, from)[Symbol.asyncIterator]() }] : []
}

/** Round and round, until nothing is left. */
function* cycle<Item>(items: ReadonlySet<Item>): Generator<Item> {
  while (items.size > 0) yield* items
}
