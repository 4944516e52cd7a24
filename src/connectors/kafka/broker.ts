import { StreamError } from '../../errors.ts'
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
import { administration } from './administration.ts'
import { type KafkaBrokerOptions, KafkaClientFactory } from './client.ts'
import { ClusterConnections } from './cluster.ts'
import { within } from './deadline.ts'
import { topicMissing } from './errors.ts'
import { KafkaMember } from './member.ts'
import { KafkaProducer } from './producer.ts'
import { readPartition } from './reader.ts'
import { createTopics, describeTopics, describeTopicsFully } from './topics.ts'
import { TransactionalProducer } from './transaction.ts'

export type { KafkaBrokerOptions } from './client.ts'

/**
 * Kafka (2.1 or newer) as the log of a topology. Making it does no I/O; `open` connects.
 *
 * Offsets and timestamps are numbers: exact up to 2^53. Records may be compressed with gzip or zstd; a partition with records in another
 * codec cannot be read.
 *
 * Throws CONFIG_INVALID for an address that is not `host:port`.
 *
 * @example
 * const broker = kafkaBroker({ brokers: ['127.0.0.1:9092'] })
 * await broker.open()
 * await broker.createTopics([{ topic: 'documents', partitions: 6 }])
 */
export function kafkaBroker(options: KafkaBrokerOptions): Broker {
  return new KafkaBroker(new KafkaClientFactory(options))
}

/** A member that leaves commits first, within a deadline of its own. */
const leaveTimeoutMs = 60_000
/** KafkaJS waits for the answers to all requests. */
const disconnectTimeoutMs = 2_000

class KafkaBroker implements Broker {
  readonly name: string
  readonly admin: BrokerAdmin
  readonly #factory: KafkaClientFactory
  readonly #members = new Set<Promise<GroupMember>>()
  readonly #producers = new Set<Promise<Producer>>()
  readonly #deniedTopics = new Set<string>()
  #connections: ClusterConnections | undefined

  constructor(factory: KafkaClientFactory) {
    this.#factory = factory
    this.name = factory.name
    this.admin = administration(factory, () => this.#requireOpen())
  }

  async open(): Promise<void> {
    if (this.#connections) return
    const connections = new ClusterConnections(this.#factory)
    await connections.connect()
    this.#connections = connections
  }

  /** Leaves the groups and closes the producers first that are still there; what the cluster does not answer in time is cut off. */
  async close(): Promise<void> {
    const connections = this.#connections
    if (!connections) return
    this.#connections = undefined
    const ends = [
      ...[...this.#members].map(async (member) => (await member).leave()),
      ...[...this.#producers].map(async (producer) => (await producer).close()),
    ]
    this.#members.clear()
    this.#producers.clear()
    const { clock } = this.#factory
    const ended = Promise.allSettled(ends).then(() => undefined)
    await within(clock, leaveTimeoutMs, ended)
    // Nobody is interested any more in what is asked now.
    await within(clock, disconnectTimeoutMs, connections.close()).catch(() => undefined)
    this.#factory.destroyConnections()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async topics(names: readonly string[]): Promise<Map<string, TopicDescription>> {
    return describeTopicsFully(this.#requireOpen(), names)
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    await createTopics(this.#requireOpen(), this.#factory, specs)
  }

  async offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]> {
    return this.#requireOpen().offsets(partitions)
  }

  async committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return this.#requireOpen().committed(group, partitions)
  }

  async committedTopics(group: string): Promise<readonly string[]> {
    return this.#requireOpen().committedTopics(group)
  }

  async join(options: GroupOptions, listener: GroupListener): Promise<GroupMember> {
    const cluster = this.#requireOpen()
    const existing = await describeTopics(cluster, options.topics)
    for (const topic of options.topics) if (!existing.has(topic)) throw topicMissing(topic)
    return keep(this.#members, (onEnd) =>
      KafkaMember.join(options, listener, { factory: this.#factory, cluster, onEnd }),
    )
  }

  async producer(options: ProducerOptions = {}): Promise<Producer> {
    const { transactionalId } = options
    const cluster = this.#requireOpen()
    if (transactionalId === undefined)
      return keep(this.#producers, (onClose) => KafkaProducer.open(this.#factory, onClose))
    const common = { ...options, transactionalId, cluster, deniedTopics: this.#deniedTopics }
    return keep(this.#producers, (onClose) => TransactionalProducer.open(this.#factory, { ...common, onClose }))
  }

  async *read(partition: TopicPartition, from: number, signal?: AbortSignal): AsyncGenerator<ReadBatch> {
    const { clock, name } = this.#factory
    yield* readPartition(partition, from, { cluster: this.#requireOpen(), clock, name, signal })
  }

  #requireOpen(): ClusterConnections {
    if (this.#connections) return this.#connections
    throw new StreamError('BROKER_CLOSED', `${this.name} is not open`)
  }
}

/** Remembers what has to be ended with the broker, from the moment that it is begun until it says that it has ended. */
function keep<Resource>(
  resources: Set<Promise<Resource>>,
  open: (onEnd: () => void) => Promise<Resource>,
): Promise<Resource> {
  const forget = () => resources.delete(opening)
  const opening = open(forget)
  resources.add(opening)
  opening.catch(forget)
  return opening
}
