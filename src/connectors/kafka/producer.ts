import type { Producer as KafkaJsProducer, ProducerBatch } from 'kafkajs'
import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Producer, ProducerOptions, ProducerRecord, Transaction } from '../../runtime/broker.ts'
import { type KafkaClientFactory, retries } from './client.ts'
import { isUnknownTopic, produceError, topicMissing } from './errors.ts'
import type { Cluster } from './internals.ts'
import { type BatchSender, sendRecords } from './sender.ts'

/** A topic that was created a moment ago may not be known to every broker. */
const missingAttempts = 3
const missingPauseMs = 100

/** A KafkaJS producer that is connected, and its connections. */
export interface ConnectedProducer {
  readonly producer: KafkaJsProducer
  readonly leaders: BatchSender['leaders']
  /** How many of its connections have ended. */
  readonly lostConnections: () => number
}

/**
 * Always idempotent: a plain KafkaJS producer repeats whole requests after a partial failure. Each record names its partition, which
 * is all that the partitioner is asked for.
 */
export async function connectProducer(
  factory: KafkaClientFactory,
  { transactionalId, transactionTimeoutMs }: ProducerOptions = {},
): Promise<ConnectedProducer> {
  const clusters: Cluster[] = []
  let lost = 0
  const onCluster = (cluster: Cluster) => {
    cluster.retry = retries.transaction
    clusters.push(cluster)
  }
  const kafka = factory.kafka(retries.request, onCluster, () => lost++)
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    // Between the choice of a leader and the request to it the metadata must not change.
    metadataMaxAge: Number.POSITIVE_INFINITY,
    retry: retries.send,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
    ...(transactionalId === undefined ? {} : { transactionalId }),
    ...(transactionTimeoutMs === undefined ? {} : { transactionTimeout: transactionTimeoutMs }),
  })
  const [cluster] = clusters
  if (!cluster) throw new StreamError('CLIENT_VERSION', 'a producer of kafkajs was made without a cluster')
  try {
    await producer.connect()
  } catch (error) {
    producer.disconnect().catch(() => undefined)
    throw error
  }
  return {
    producer,
    leaders: (topic, { fresh }) => leadersOf(cluster, topic, { fresh, clock: factory.clock }),
    lostConnections: () => lost,
  }
}

async function leadersOf(
  cluster: Cluster,
  topic: string,
  { fresh, clock }: { readonly fresh: boolean; readonly clock: Clock },
): Promise<ReadonlyMap<number, number>> {
  for (let attempt = 1; ; attempt++) {
    try {
      // KafkaJS asks for all topics that it ever sent to, which fails when one of them was deleted.
      if (fresh) cluster.targetTopics.clear()
      await cluster.addMultipleTargetTopics([topic])
      await cluster.refreshMetadataIfNecessary()
      return new Map(cluster.findTopicPartitionMetadata(topic).map(({ partitionId, leader }) => [partitionId, leader]))
    } catch (error) {
      if (!isUnknownTopic(error)) throw error
      if (attempt === missingAttempts) throw topicMissing(topic, error)
    }
    await delay(clock, missingPauseMs)
  }
}

/** Writes records outside of transactions. */
export class KafkaProducer implements Producer {
  readonly #factory: KafkaClientFactory
  readonly #onClose: () => void
  #connected: Promise<ConnectedProducer> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(factory: KafkaClientFactory, onClose: () => void) {
    this.#factory = factory
    this.#onClose = onClose
  }

  static async open(factory: KafkaClientFactory, onClose: () => void): Promise<KafkaProducer> {
    const producer = new KafkaProducer(factory, onClose)
    try {
      await producer.#connect()
    } catch (error) {
      throw produceError(error, `a producer of ${factory.name}`)
    }
    return producer
  }

  /**
   * One send at a time. KafkaJS counts sequence numbers per attempt: of two sends that overlap, one could take the numbers of an attempt
   * of the other that the broker has in fact written, and would be dropped as its repetition.
   */
  send(records: readonly ProducerRecord[], guard?: () => void): Promise<readonly number[]> {
    const sending = this.#last.then(() => this.#send(records, guard))
    this.#last = sending.catch(() => undefined)
    return sending
  }

  async begin(): Promise<Transaction> {
    throw new StreamError('ILLEGAL_STATE', 'a producer without a transactional id cannot begin a transaction')
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    await this.#discard()
    this.#onClose()
  }

  async #send(records: readonly ProducerRecord[], guard?: () => void): Promise<readonly number[]> {
    if (this.#closed) throw new StreamError('BROKER_CLOSED', 'the producer is closed')
    try {
      const { producer, leaders } = await this.#connect()
      const sender = { leaders, sendBatch: (batch: ProducerBatch) => producer.sendBatch(batch) }
      return await sendRecords(sender, records, { clock: this.#factory.clock, guard })
    } catch (error) {
      // Whatever failed, its sequence numbers may be wrong from now on, and it may still ask for a topic that is gone.
      await this.#discard()
      throw produceError(error, `a send to ${this.#factory.name}`)
    }
  }

  #connect(): Promise<ConnectedProducer> {
    this.#connected ??= connectProducer(this.#factory)
    return this.#connected
  }

  async #discard(): Promise<void> {
    const connected = this.#connected
    this.#connected = undefined
    await connected?.then(({ producer }) => producer.disconnect()).catch(() => undefined)
  }
}
