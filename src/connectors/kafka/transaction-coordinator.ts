import { type Clock, delay } from '../../clock.ts'
import type { TopicPartition } from '../../runtime/broker.ts'
import type { ClusterConnections } from './cluster.ts'
import { isConcurrent } from './errors.ts'
import type { Coordinator, ProducerIdentity } from './internals.ts'
import type { Outcome } from './transaction-outcomes.ts'

/** As the protocol numbers the kinds of coordinators. */
const ofTransactions = 1
const defaultTimeoutMs = 60_000
const longestAttempts = 14
const firstPauseMs = 5
const longestPauseMs = 1_000

export interface TransactionCoordinatorOptions {
  readonly transactionalId: string
  /** Default 60,000. */
  readonly transactionTimeoutMs: number | undefined
  readonly cluster: ClusterConnections
  readonly clock: Clock
}

export interface TransactionParts {
  readonly partitions: readonly TopicPartition[]
  /** The group whose offsets belong to the transaction. */
  readonly group: string | undefined
}

/** The requests with which a producer makes transactions, without a producer: for a transaction to which nothing has to be written. */
export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options
  }

  /** Fences older producers of the id. What the coordinator knows to be open or ending is ended afterwards. */
  init(): Promise<ProducerIdentity> {
    const { transactionalId, transactionTimeoutMs: transactionTimeout = defaultTimeoutMs } = this.#options
    return this.#ask((coordinator) => coordinator.initProducerId({ transactionalId, transactionTimeout }))
  }

  /** Makes one transaction of these parts and ends it: a marker is written to each of them soon after. */
  async end({ producerId, producerEpoch }: ProducerIdentity, parts: TransactionParts, outcome: Outcome): Promise<void> {
    const producer = { transactionalId: this.#options.transactionalId, producerId, producerEpoch }
    const { partitions, group: groupId } = parts
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition }) => partition),
    }))
    if (topics.length > 0) await this.#ask((coordinator) => coordinator.addPartitionsToTxn({ ...producer, topics }))
    if (groupId !== undefined) await this.#ask((coordinator) => coordinator.addOffsetsToTxn({ ...producer, groupId }))
    await this.#ask((coordinator) => coordinator.endTxn({ ...producer, transactionResult: outcome === 'commit' }))
  }

  /** Again while the transaction before is ending. */
  async #ask<Answer>(request: (coordinator: Coordinator) => Promise<Answer>): Promise<Answer> {
    const { transactionalId, cluster, clock } = this.#options
    const choice = { groupId: transactionalId, coordinatorType: ofTransactions }
    let pauseMs = firstPauseMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await cluster.using([], async (connections) => request(await connections.findGroupCoordinator(choice)))
      } catch (error) {
        if (attempt === longestAttempts || !isConcurrent(error)) throw error
      }
      await delay(clock, pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestPauseMs)
    }
  }
}
