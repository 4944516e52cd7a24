import { KafkaClientFactory } from '../../src/connectors/kafka/client.ts'
import type { Cluster, Coordinator, FetchResponse, ProducerIdentity } from '../../src/connectors/kafka/internals.ts'
import type { Outcome } from '../../src/connectors/kafka/transaction-outcomes.ts'
import type { TopicPartition } from '../../src/runtime/broker.ts'

const ofTransactions = 1
const readUncommitted = 0

/** KafkaJS's types leave this one out. */
interface OffsetsCoordinator extends Coordinator {
  txnOffsetCommit(request: object): Promise<unknown>
}

interface Batch extends TopicPartition {
  readonly value: string
  /** The number of its first record, as an idempotent producer counts them. */
  readonly firstSequence: number
}

/**
 * The requests of transactions, one by one, to a broker that does not verify them (`transaction.partition.verification.enable=false`):
 * what is written to a partition after the end of a transaction hangs there, as if the broker had left out its end.
 */
export class RawTransactions implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #transactionalId: string

  private constructor(cluster: Cluster, transactionalId: string) {
    this.#cluster = cluster
    this.#transactionalId = transactionalId
  }

  static async connect(address: string, transactionalId: string, topics: readonly string[]): Promise<RawTransactions> {
    const cluster = new KafkaClientFactory({ brokers: [address] }).cluster({ allowAutoTopicCreation: false })
    await cluster.connect()
    await cluster.addMultipleTargetTopics([...topics])
    return new RawTransactions(cluster, transactionalId)
  }

  async init(): Promise<ProducerIdentity> {
    const coordinator = await this.#coordinator()
    return coordinator.initProducerId({ transactionalId: this.#transactionalId, transactionTimeout: 60_000 })
  }

  /** A transaction to which nothing is written. */
  async decide(
    producer: ProducerIdentity,
    { partitions, group, outcome }: { partitions: readonly TopicPartition[]; group: string; outcome: Outcome },
  ): Promise<void> {
    const coordinator = await this.#coordinator()
    const common = { transactionalId: this.#transactionalId, ...producer }
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, own]) => ({
      topic,
      partitions: own.map(({ partition }) => partition),
    }))
    await coordinator.addPartitionsToTxn({ ...common, topics })
    await coordinator.addOffsetsToTxn({ ...common, groupId: group })
    await coordinator.endTxn({ ...common, transactionResult: outcome === 'commit' })
  }

  async write(
    { producerId, producerEpoch }: ProducerIdentity,
    { topic, partition, value, firstSequence }: Batch,
  ): Promise<void> {
    const broker = await this.#leaderOf({ topic, partition })
    const message = { key: Buffer.from(value), value: Buffer.from(value), timestamp: '1700000000000', headers: {} }
    await broker.produce({
      ...{ transactionalId: this.#transactionalId, acks: -1, timeout: 10_000 },
      // KafkaJS takes text here, and its type a number.
      ...({ producerId, producerEpoch } as object),
      topicData: [{ topic, partitions: [{ partition, firstSequence, messages: [message] }] }],
    })
  }

  async writeOffset(
    producer: ProducerIdentity,
    group: string,
    input: TopicPartition & { offset: number },
  ): Promise<void> {
    const coordinator = (await this.#cluster.findGroupCoordinator({ groupId: group })) as OffsetsCoordinator
    const partitions = [{ partition: input.partition, offset: String(input.offset), metadata: '' }]
    await coordinator.txnOffsetCommit({
      ...{ transactionalId: this.#transactionalId, groupId: group, ...producer },
      topics: [{ topic: input.topic, partitions }],
    })
  }

  /** Who has written the last record of a partition. */
  async lastProducer({ topic, partition }: TopicPartition): Promise<ProducerIdentity> {
    const broker = await this.#leaderOf({ topic, partition })
    const fetched: FetchResponse = await broker.fetch({
      ...{ isolationLevel: readUncommitted, maxWaitTime: 0, minBytes: 0 },
      topics: [{ topic, partitions: [{ partition, fetchOffset: '0', maxBytes: 1_000_000 }] }],
    })
    const context: unknown = fetched.responses[0]?.partitions[0]?.messages.at(-1)?.batchContext
    return context as ProducerIdentity
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cluster.disconnect()
  }

  async #leaderOf({ topic, partition }: TopicPartition) {
    const metadata = this.#cluster
      .findTopicPartitionMetadata(topic)
      .find(({ partitionId }) => partitionId === partition)
    return this.#cluster.findBroker({ nodeId: String(metadata?.leader) })
  }

  #coordinator(): Promise<Coordinator> {
    return this.#cluster.findGroupCoordinator({ groupId: this.#transactionalId, coordinatorType: ofTransactions })
  }
}
