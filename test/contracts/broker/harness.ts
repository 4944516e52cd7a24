import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, vi } from 'vitest'
import { noHeaders } from '../../../src/record.ts'
import type {
  Broker,
  LogRecord,
  Producer,
  ProducerRecord,
  TopicPartition,
  TopicSpec,
} from '../../../src/runtime/broker.ts'

/** One client of a log, for one test. The log may be shared with other tests: names of topics and groups are never used twice. */
export interface BrokerTarget {
  /** Open already. */
  readonly broker: Broker
  /** Another open client of the same log, which `dispose` closes as well. */
  another(): Promise<Broker>
  dispose(): Promise<void>
}

export interface BrokerCapabilities {
  /** Headers with the same key are all kept, in order. Default true. */
  readonly repeatedHeaderKeys?: boolean
  /** A header may have the value null. Default true. */
  readonly nullHeaderValues?: boolean
  /** How long a test waits for something that has to happen. Milliseconds, default 15,000. */
  readonly waitMs?: number
  /** How long a member may take to give up its partitions in the test that lets it fail. Milliseconds, default 3,000. */
  readonly rebalanceTimeoutMs?: number
}

/** The broker under test as the features see it, new for every test. */
export interface Log {
  readonly broker: Broker
  readonly waitMs: number
  readonly rebalanceTimeoutMs: number
  another(): Promise<Broker>
  /** A name that nothing else has. */
  name(word: string): string
  /** Creates a topic; returns its name. */
  topic(partitions?: number, options?: Partial<TopicSpec>): Promise<string>
  /** Sends text values to one partition; returns their offsets. */
  send(target: TopicPartition, ...values: readonly string[]): Promise<readonly number[]>
  producer(transactionalId?: string): Promise<Producer>
  /** Everything that a read without a group finds from `from` to the end. */
  read(target: TopicPartition, from?: number): Promise<LogRecord[]>
  /** Tries until the assertion holds. */
  eventually(assertion: () => void | Promise<void>): Promise<void>
}

/** Registers the hooks that give every test of this `describe` its own client. */
export function useLog(createTarget: () => Promise<BrokerTarget>, capabilities: BrokerCapabilities): Log {
  const { waitMs = 15_000, rebalanceTimeoutMs = 3_000 } = capabilities
  let target: BrokerTarget
  beforeEach(async () => {
    target = await createTarget()
  }, waitMs)
  afterEach(() => target.dispose(), waitMs)

  const log: Log = {
    get broker() {
      return target.broker
    },
    waitMs,
    rebalanceTimeoutMs,
    another: () => target.another(),
    name: (word) => `${word}-${randomUUID().slice(0, 8)}`,
    async topic(partitions = 1, options = {}) {
      const topic = log.name('documents')
      await log.broker.createTopics([{ ...options, topic, partitions }])
      return topic
    },
    async send(place, ...values) {
      const producer = await log.producer()
      const offsets = await producer.send(values.map((value) => text(place, value)))
      await producer.close()
      return offsets
    },
    producer: (transactionalId) => log.broker.producer(transactionalId === undefined ? {} : { transactionalId }),
    async read(place, from = 0) {
      const records: LogRecord[] = []
      for await (const batch of log.broker.read(place, from)) records.push(...batch.records)
      return records
    },
    eventually: (assertion) => vi.waitFor(assertion, { timeout: waitMs, interval: 20 }),
  }
  return log
}

/** Retention goes by the time of the records: Kafka deletes those of `text` soon after its start. */
export const keepingOldRecords = { 'retention.ms': '-1' }

/** A record with text as its value and, unless another one is given, the same text as its key. */
export function text({ topic, partition }: TopicPartition, value: string, key: string | null = value): ProducerRecord {
  return {
    topic,
    partition,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    timestamp: 1_700_000_000_000,
    headers: noHeaders,
  }
}

export function contentOf({ value }: LogRecord): string | null {
  return value && Buffer.from(value).toString()
}

export function valuesOf(records: readonly LogRecord[]): (string | null)[] {
  return records.map(contentOf)
}

/** Values with a number: `record 0` to `record <count - 1>`. */
export function numbered(count: number, word = 'record'): string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${index}`)
}
