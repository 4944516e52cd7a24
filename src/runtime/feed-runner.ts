import type { Clock } from '../clock.ts'
import { partitionFor } from '../partitioner.ts'
import { noHeaders } from '../record.ts'
import { msgpack } from '../serde.ts'
import type { Feed, FeedBatch, FeedProblem } from '../topology/feed.ts'
import type { Broker, Producer, ProducerRecord } from './broker.ts'

export interface FeedRunnerOptions<Cursor> {
  readonly feed: Feed<Cursor>
  readonly broker: Broker
  /** Where the records go. It must exist. */
  readonly topic: string
  /** A topic of one partition that keeps the cursor; made if it is missing. Without it every run reads everything. */
  readonly cursorTopic?: string
  readonly clock: Clock
  readonly onProblem?: (problem: FeedProblem) => void
  /** Called after each batch that is durable in the topic. */
  readonly onBatch?: (records: number) => void
}

const serde = msgpack<unknown>()

/**
 * Reads a feed into a topic until it ends. The cursor is kept after the records, so a crash in between repeats records and loses none.
 */
export class FeedRunner<Cursor> {
  readonly #options: FeedRunnerOptions<Cursor>
  readonly #caughtUp = Promise.withResolvers<void>()

  constructor(options: FeedRunnerOptions<Cursor>) {
    this.#options = options
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
      let kept: Cursor | undefined = (await this.#loadCursor())?.cursor
      for await (const batch of feed.read(kept, signal)) {
        await this.#write(batch, producer, partitions)
        if (batch.cursor !== kept) await this.#saveCursor(batch.cursor, producer)
        kept = batch.cursor
        if (batch.caughtUp) this.#caughtUp.resolve()
      }
      this.#caughtUp.resolve()
    } catch (error) {
      this.#caughtUp.reject(error)
      throw error
    } finally {
      await producer.close()
    }
  }

  async #write(batch: FeedBatch<Cursor>, producer: Producer, partitions: number): Promise<void> {
    const { topic, onProblem, onBatch } = this.#options
    for (const problem of batch.problems) onProblem?.(problem)
    const records = batch.records.map(({ key, value, timestamp, headers }): ProducerRecord => {
      const keyBytes = Buffer.from(key)
      return {
        topic,
        partition: partitionFor(keyBytes, partitions),
        key: keyBytes,
        value,
        timestamp,
        headers: headers ?? noHeaders,
      }
    })
    if (records.length > 0) await producer.send(records)
    onBatch?.(records.length)
  }

  async #loadCursor(): Promise<{ cursor: Cursor } | undefined> {
    const { broker, cursorTopic, feed } = this.#options
    if (cursorTopic === undefined) return undefined
    await broker.createTopics([{ topic: cursorTopic, partitions: 1, cleanup: 'compact' }])
    let found: { cursor: Cursor } | undefined
    for await (const { records } of broker.read({ topic: cursorTopic, partition: 0 }, 0)) {
      const own = records.findLast((record) => record.key !== null && Buffer.from(record.key).toString() === feed.name)
      if (own?.value) found = { cursor: serde.deserialize(own.value) as Cursor }
    }
    return found
  }

  async #saveCursor(cursor: Cursor, producer: Producer): Promise<void> {
    const { cursorTopic, feed, clock } = this.#options
    if (cursorTopic === undefined) return
    await producer.send([
      {
        topic: cursorTopic,
        partition: 0,
        key: Buffer.from(feed.name),
        value: serde.serialize(cursor),
        timestamp: clock.now(),
        headers: noHeaders,
      },
    ])
  }
}
