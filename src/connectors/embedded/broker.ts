import { type Clock, systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import type {
  Broker,
  BrokerAdmin,
  CommittedOffset,
  GroupListener,
  GroupMember,
  GroupOptions,
  PartitionOffsets,
  Producer,
  ProducerOptions,
  ReadBatch,
  TopicDescription,
  TopicPartition,
  TopicSpec,
} from '../../runtime/broker.ts'
import { type LevelStoreOptions, openLevelStore } from '../../state/level-store.ts'
import { memoryStore } from '../../state/memory-store.ts'
import { administration } from './administration.ts'
import { Host } from './host.ts'
import type { Member } from './member.ts'
import { PlainProducer } from './producer.ts'

/**
 * A log is written once and read in order. A larger write buffer is rewritten less often: 8 MiB cost a fifth less processor time than
 * 4 MiB. Files that stay open are mapped into memory and of little use to a reader that goes on: small ones, as few as LevelDB allows
 * (64 and 10 of its own), bound that at some 64 MiB instead of the whole log.
 */
const levelOptions: LevelStoreOptions = {
  writeBufferBytes: 8 * 1024 * 1024,
  tableFileBytes: 1024 * 1024,
  maxOpenFiles: 74,
}

export interface EmbeddedBrokerOptions {
  /** Where the log lives; one process at a time. Without it the log is in memory and gone with `close`. */
  readonly directory?: string
  readonly clock?: Clock
  readonly logger?: Logger
  /** How often the log looks for something to compact or to expire. Milliseconds, default 5,000. */
  readonly cleanIntervalMs?: number
}

/**
 * A log inside the process, for everything that needs no Kafka: partitions, consumer groups, transactions, compaction. With a
 * directory it is durable: a record whose `send` has resolved survives a crash of the process, though not always a power cut.
 *
 * Topic settings that it follows, named as in Kafka: `retention.ms` (default -1: keep everything), `delete.retention.ms`
 * (86,400,000), `min.cleanable.dirty.ratio` (0.5), `max.message.bytes` (67,108,864). It stores the others and ignores them. For tests there is
 * `millrace.negative.timestamps` (false): records may have timestamps that Kafka refuses today, and holds in old topics.
 *
 * Opening throws STATE_LOCKED, STATE_FORMAT, STATE_CORRUPT or STATE_IO when the directory cannot be used.
 *
 * @example
 * await using broker = embeddedBroker({ directory: '.millrace/log' })
 * await broker.open()
 * await broker.createTopics([{ topic: 'documents', partitions: 6 }])
 */
export function embeddedBroker(options: EmbeddedBrokerOptions = {}): EmbeddedBroker {
  const { directory, clock = systemClock, logger = silentLogger, cleanIntervalMs = 5000 } = options
  return new EmbeddedBroker(directory === undefined ? 'embedded in memory' : `embedded ${directory}`, {
    open: async () => {
      const store = directory === undefined ? memoryStore() : await openLevelStore(directory, levelOptions)
      return Host.open(store, { clock, logger, cleanIntervalMs })
    },
    close: (host) => host.close(),
  })
}

/** Where a client finds its host. */
interface HostAccess {
  open(): Promise<Host>
  close(host: Host): Promise<void>
}

export class EmbeddedBroker implements Broker {
  readonly name: string
  readonly admin: BrokerAdmin = administration(() => this.#open)
  readonly #access: HostAccess
  readonly #members = new Set<Member>()
  readonly #producers = new Set<Producer>()
  #host: Host | undefined
  #opening: Promise<Host> | undefined

  constructor(name: string, access: HostAccess) {
    this.name = name
    this.#access = access
  }

  async open(): Promise<void> {
    if (this.#host) return
    this.#opening ??= this.#access.open()
    try {
      this.#host = await this.#opening
    } finally {
      this.#opening = undefined
    }
  }

  /**
   * As if the client had crashed: its members are out of their groups without a word, its transactions are aborted. Members that were
   * asked to `leave` before are spared that.
   */
  async close(): Promise<void> {
    const host = this.#host
    if (!host) return
    this.#host = undefined
    for (const member of this.#members) member.abandon()
    for (const producer of this.#producers) await producer.close()
    this.#members.clear()
    this.#producers.clear()
    await this.#access.close(host)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Another client of the same log, to be opened and closed like this one, but at most as long as this one is open. Its members and
   * producers are its own: closing it is what the crash of one of several instances looks like to the others.
   */
  connect(): EmbeddedBroker {
    return new EmbeddedBroker(this.name, { open: async () => this.#open, close: async () => undefined })
  }

  async topics(names: readonly string[]): Promise<Map<string, TopicDescription>> {
    return this.#open.log.catalog.describe(names)
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    await this.#open.log.createTopics(specs)
  }

  async offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]> {
    return this.#open.log.offsets(partitions)
  }

  async committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return this.#open.log.committed(group, partitions)
  }

  async committedTopics(group: string): Promise<readonly string[]> {
    return this.#open.log.committedTopics(group)
  }

  async join(options: GroupOptions, listener: GroupListener): Promise<GroupMember> {
    const member = this.#open.group(options.group).join(options, listener)
    this.#members.add(member)
    void member.gone.then(() => this.#members.delete(member))
    await member.joined
    return member
  }

  async producer({ transactionalId, transactionTimeoutMs }: ProducerOptions = {}): Promise<Producer> {
    const { log, transactionalProducers } = this.#open
    const closed = (producer: Producer) => void this.#producers.delete(producer)
    const producer =
      transactionalId === undefined
        ? new PlainProducer(log, closed)
        : await transactionalProducers.create(transactionalId, { timeoutMs: transactionTimeoutMs, closed })
    this.#producers.add(producer)
    return producer
  }

  /** Throws OFFSET_OUT_OF_RANGE also when `from` is above the end of the log. */
  async *read(
    { topic, partition: index }: TopicPartition,
    from: number,
    signal?: AbortSignal,
  ): AsyncIterable<ReadBatch> {
    const partition = this.#open.log.catalog.partition({ topic, partition: index })
    const end = partition.stable
    this.#open.log.checkPosition(partition, from)
    for (let position = from; position < end; ) {
      signal?.throwIfAborted()
      const batch = await this.#open.log.read(partition, position, end)
      position = batch.next
      yield batch
    }
  }

  /** Compacts a topic now, however little there is to gain, instead of when it is worth it. Throws TOPIC_MISSING. */
  async compact(topic: string): Promise<void> {
    const { log, cleaner } = this.#open
    await cleaner.compact(log.catalog.partitionsOf(topic))
  }

  get #open(): Host {
    if (this.#host) return this.#host
    throw new StreamError('BROKER_CLOSED', `${this.name} is not open`)
  }
}
