/** What is written to the topic: the change stream with duplicates and replays, again and again until the time is over. */
import { setTimeout as pause } from 'node:timers/promises'
import { partitionFor } from '../src/partitioner.ts'
import { noHeaders } from '../src/record.ts'
import type { Broker, Producer, ProducerRecord } from '../src/runtime/broker.ts'
import type { ChangeEvent } from '../test/support/change-stream.ts'
import { shuffled } from '../test/support/oracle.ts'
import type { Random } from './random.ts'

/** The timestamp of a record is this plus its place in the delivery: every point says so which version wrote it. */
export const firstTimestamp = 1_700_000_000_000

export interface Delivery {
  readonly events: readonly ChangeEvent[]
  /** How many events are due at once, one burst after the other. */
  readonly bursts: readonly number[]
}

/** Where a version lies in the log. */
export interface Position {
  readonly partition: number
  readonly offset: number
  /** Present when it was sent more than once, and may lie there twice: the last version that was sent together with it. */
  readonly sentAgainUpTo?: number
}

export interface DeliveryOptions {
  readonly seed: number
  readonly partitions: number
  readonly durationMs: number
}

/** Enough that something is under way at most times. */
const eventsPerSecond = 25
const burstMs = 250

/** Whole passes over the stream, spread over the time in bursts of very different sizes. */
export function deliveryOf(stream: readonly ChangeEvent[], options: DeliveryOptions, random: Random): Delivery {
  const { seed, partitions, durationMs } = options
  const partitionOf = (key: string) => partitionFor(Buffer.from(key), partitions)
  const passes = Math.max(1, Math.round((durationMs / 1000) * (eventsPerSecond / stream.length)))
  const events = Array.from({ length: passes }, (_, pass) =>
    shuffled(stream, { seed: seed * 1_000 + pass + 1, partitions, partitionOf }),
  ).flat()
  const weights = Array.from({ length: Math.max(1, Math.floor(durationMs / burstMs)) }, () => random.next() ** 4)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let share = 0
  let done = 0
  const bursts = weights.map((weight) => {
    share += weight / total
    const due = Math.round(share * events.length) - done
    done += due
    return due
  })
  bursts.push(events.length - done)
  return { events, bursts }
}

export interface ProduceOptions {
  readonly topic: string
  readonly partitions: number
  readonly onProblem: (problem: string) => void
}

/**
 * Writes the delivery in its bursts. What a broker did not confirm is sent again, so some records may be in the log twice, as with any
 * producer.
 *
 * @returns for each event of the delivery, in order, where its last copy lies
 */
export async function produce(broker: Broker, delivery: Delivery, options: ProduceOptions): Promise<Position[]> {
  const startedAt = Date.now()
  const positions: Position[] = []
  const sender = new PersistentSender(broker, options.onProblem)
  for (const [index, size] of delivery.bursts.entries()) {
    await pause(Math.max(0, startedAt + index * burstMs - Date.now()))
    const from = positions.length
    const records = delivery.events.slice(from, from + size).map((event, at) => recordOf(event, from + at, options))
    if (records.length === 0) continue
    const { offsets, attempts } = await sender.send(records)
    const sentAgainUpTo = firstTimestamp + from + records.length - 1
    for (const [at, { partition }] of records.entries()) {
      positions.push({ partition, offset: offsets[at] ?? -1, ...(attempts > 1 && { sentAgainUpTo }) })
    }
  }
  await sender.close()
  return positions
}

function recordOf({ key, op, text }: ChangeEvent, place: number, options: ProduceOptions): ProducerRecord {
  return {
    topic: options.topic,
    partition: partitionFor(Buffer.from(key), options.partitions),
    key: Buffer.from(key),
    value: op === 'delete' ? null : Buffer.from(JSON.stringify({ path: key, text })),
    timestamp: firstTimestamp + place,
    headers: noHeaders,
  }
}

/** Tries until the broker has confirmed. */
export class PersistentSender {
  readonly #broker: Broker
  readonly #onProblem: (problem: string) => void
  #producer: Producer | undefined

  constructor(broker: Broker, onProblem: (problem: string) => void) {
    this.#broker = broker
    this.#onProblem = onProblem
  }

  async send(
    records: readonly ProducerRecord[],
  ): Promise<{ readonly offsets: readonly number[]; readonly attempts: number }> {
    for (let attempts = 1; ; attempts++) {
      try {
        this.#producer ??= await this.#broker.producer()
        return { offsets: await this.#producer.send(records), attempts }
      } catch (error) {
        this.#onProblem(`the producer sends ${records.length} records again: ${error}`)
        await this.close()
        await pause(500)
      }
    }
  }

  async close(): Promise<void> {
    await this.#producer?.close().catch(() => undefined)
    this.#producer = undefined
  }
}
