import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { noHeaders } from '../../record.ts'
import { msgpack } from '../../serde.ts'
import type { Broker, Producer, ProducerRecord } from '../broker.ts'

/** What is known of a feed from earlier runs. */
export interface FeedState<Cursor> {
  /** Undefined before the first one was kept. */
  readonly cursor: Cursor | undefined
  /** Why the topic did not take the latest record of a key. */
  readonly refused: ReadonlyMap<string, string>
}

export interface FeedMemoryOptions {
  readonly broker: Broker
  /** Name of the feed: its records are kept under it. */
  readonly feed: string
  /** A topic of one partition; made if it is missing. */
  readonly topic: string
  readonly clock: Clock
}

/** The cursor of a folder grows by some 150 bytes a file, far beyond what Kafka takes by default. */
const maxMessageBytes = 64 * 1024 * 1024

const serde = msgpack<unknown>()

/** Keeps the state of a feed in a compacted topic, where other feeds may keep theirs. */
export class FeedMemory<Cursor> {
  readonly #options: FeedMemoryOptions

  constructor(options: FeedMemoryOptions) {
    this.#options = options
  }

  async load(): Promise<FeedState<Cursor>> {
    const { broker, topic, feed } = this.#options
    const settings = { 'max.message.bytes': String(maxMessageBytes) }
    await broker.createTopics([{ topic, partitions: 1, cleanup: 'compact', settings }])
    let cursor: Cursor | undefined
    let refused: readonly (readonly [string, string])[] = []
    for await (const { records } of broker.read({ topic, partition: 0 }, 0)) {
      const latest = (name: string) =>
        records.findLast(({ key }) => key !== null && Buffer.from(key).toString() === name)?.value
      const [ownCursor, ownRefused] = [latest(feed), latest(refusedKey(feed))]
      if (ownCursor) cursor = serde.deserialize(ownCursor) as Cursor
      if (ownRefused) refused = serde.deserialize(ownRefused) as typeof refused
    }
    return { cursor, refused: new Map(refused) }
  }

  /** Keeps what is given, all or nothing of it but for a crash in between, which leaves the old cursor. */
  async save({ cursor, refused }: Partial<FeedState<Cursor>>, producer: Producer): Promise<void> {
    const { feed, topic } = this.#options
    const records = [
      ...(refused ? [this.#record(refusedKey(feed), [...refused])] : []),
      ...(cursor === undefined ? [] : [this.#record(feed, cursor)]),
    ]
    try {
      if (records.length > 0) await producer.send(records)
    } catch (cause) {
      if (!isStreamError(cause) || cause.code !== 'RECORD_REJECTED') throw cause
      const bytes = Math.max(...records.map(({ value }) => value?.byteLength ?? 0))
      throw new StreamError('RECORD_REJECTED', `topic "${topic}" does not take the cursor of ${feed}: ${cause.fact}`, {
        fix: `Raise its \`max.message.bytes\` above ${bytes}.`,
        cause,
      })
    }
  }

  #record(key: string, value: unknown): ProducerRecord {
    const { topic, clock } = this.#options
    return {
      topic,
      partition: 0,
      key: Buffer.from(key),
      value: serde.serialize(value),
      timestamp: clock.now(),
      headers: noHeaders,
    }
  }
}

function refusedKey(feed: string): string {
  return `${feed}#refused`
}
