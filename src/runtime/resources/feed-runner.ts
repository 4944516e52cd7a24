import type { Clock } from '../../clock.ts'
import { isStreamError } from '../../errors.ts'
import { partitionFor } from '../../partitioner.ts'
import { noHeaders } from '../../record.ts'
import type { Feed, FeedBatch, FeedProblem, FeedRecord } from '../../topology/feed.ts'
import type { Broker, Producer, ProducerRecord } from '../broker.ts'
import { partitionsOf } from '../partitions.ts'
import { FeedMemory, type FeedState } from './feed-memory.ts'

export interface FeedRunnerOptions<Cursor> {
  readonly feed: Feed<Cursor>
  readonly broker: Broker
  /** Where the records go. It must exist. */
  readonly topic: string
  /** A topic of one partition that keeps the cursor; made if it is missing. Without it every run reads everything. */
  readonly cursorTopic?: string
  readonly clock: Clock
  /** Called also for records that the topic does not take, in every run until it takes another one of that key. */
  readonly onProblem?: (problem: FeedProblem) => void
  /** Called after each batch that is durable in the topic: how many records that are, and the keys of the batch. */
  readonly onBatch?: (records: number, keys: readonly string[]) => void
}

/**
 * Reads a feed into a topic until it ends. The cursor is kept after the records, so a crash in between repeats records and loses none.
 * A record that the topic will never take is a problem, and the others go on.
 *
 * A cursor counts only while the topic holds, or once held, something: one that was deleted and made again gets everything.
 */
export class FeedRunner<Cursor> {
  readonly #options: FeedRunnerOptions<Cursor>
  readonly #memory: FeedMemory<Cursor> | undefined
  readonly #caughtUp = Promise.withResolvers<void>()
  /** Why the topic did not take the latest record of a key. */
  #refused = new Map<string, string>()
  /** Keys of `#refused` that only an earlier run has named. */
  #unnamed = new Set<string>()
  #refusedChanged = false

  constructor(options: FeedRunnerOptions<Cursor>) {
    const { broker, feed, cursorTopic: topic, clock } = options
    this.#options = options
    this.#memory = topic === undefined ? undefined : new FeedMemory({ broker, feed: feed.name, topic, clock })
    this.#caughtUp.promise.catch(() => undefined)
  }

  /** Resolves when all that the feed had at the start is in the topic. */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  /** Resolves when the feed ends, or the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { feed, broker, topic } = this.#options
    const producer = await broker.producer()
    try {
      const partitions = (await broker.topics([topic])).get(topic)?.partitions ?? 1
      const known = await this.#load(partitions)
      this.#refused = new Map(known?.refused)
      this.#unnamed = new Set(known?.refused.keys())
      let kept = known?.cursor
      for await (const batch of feed.read(kept, signal)) {
        await this.#write(batch, producer, partitions)
        await this.#save(batch.cursor === kept ? undefined : batch.cursor, producer)
        kept = batch.cursor
        if (batch.caughtUp) this.#settle()
      }
      this.#caughtUp.resolve()
    } catch (error) {
      this.#caughtUp.reject(error)
      throw error
    } finally {
      await producer.close()
    }
  }

  async #load(partitions: number): Promise<FeedState<Cursor> | undefined> {
    const { broker, topic } = this.#options
    const known = await this.#memory?.load()
    if (!known) return undefined
    const ends = await broker.offsets(partitionsOf(topic, partitions))
    return ends.every(({ latest }) => latest === 0) ? undefined : known
  }

  async #save(cursor: Cursor | undefined, producer: Producer): Promise<void> {
    const refused = this.#refusedChanged ? this.#refused : undefined
    await this.#memory?.save({ cursor, ...(refused && { refused }) }, producer)
    this.#refusedChanged = false
  }

  async #write(batch: FeedBatch<Cursor>, producer: Producer, partitions: number): Promise<void> {
    const { topic, onProblem, onBatch } = this.#options
    for (const problem of batch.problems) onProblem?.(problem)
    const refused = new Map<FeedRecord, string>()
    let left = batch.records.map((record) => ({ record, produced: toProduce(record, topic, partitions) }))
    for (;;) {
      const refusal = await sendAll(left, producer)
      if (!refusal) break
      refused.set(refusal.record, refusal.reason)
      left = left.filter(({ record }) => record !== refusal.record)
    }
    this.#note(batch.records, refused)
    onBatch?.(
      left.length,
      batch.records.map(({ key }) => key),
    )
  }

  /** The latest record of each key decides whether the topic has what the feed has. */
  #note(records: readonly FeedRecord[], refused: ReadonlyMap<FeedRecord, string>): void {
    for (const record of records) {
      const { key } = record
      const reason = refused.get(record)
      this.#unnamed.delete(key)
      this.#refusedChanged ||= reason !== this.#refused.get(key)
      if (reason === undefined) this.#refused.delete(key)
      else this.#refused.set(key, reason)
      if (reason !== undefined) this.#options.onProblem?.({ place: key, reason })
    }
  }

  /** The feed does not say again what it has said in an earlier run: we do. */
  #settle(): void {
    for (const key of this.#unnamed) this.#options.onProblem?.({ place: key, reason: this.#refused.get(key) ?? '' })
    this.#unnamed.clear()
    this.#caughtUp.resolve()
  }
}

function toProduce({ key, value, timestamp, headers = noHeaders }: FeedRecord, topic: string, partitions: number) {
  const bytes = Buffer.from(key)
  return { topic, partition: partitionFor(bytes, partitions), key: bytes, value, timestamp, headers }
}

interface Sending {
  readonly record: FeedRecord
  readonly produced: ProducerRecord
}

/** Sends everything, or says which record the topic will never take; some of the others may be written then. */
async function sendAll(
  sendings: readonly Sending[],
  producer: Producer,
): Promise<{ readonly record: FeedRecord; readonly reason: string } | undefined> {
  if (sendings.length === 0) return undefined
  try {
    await producer.send(sendings.map(({ produced }) => produced))
    return undefined
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'RECORD_REJECTED') throw error
    const refused = sendings[Number(error.details.index)]
    if (!refused) throw error
    return { record: refused.record, reason: error.fact }
  }
}
