import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { TopicPartition, TransactionScope } from '../../runtime/broker.ts'
import type { ClusterConnections } from './cluster.ts'
import { isDenied } from './errors.ts'
import type { ProducerIdentity } from './internals.ts'
import { type DescribedPartition, openProducers } from './open-producers.ts'
import { leaderOf, readPartition } from './reader.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import {
  coordinatorPartition,
  decodeTransactionEntry,
  offsetsLog,
  type TransactionEntry,
  transactionLog,
} from './transaction-log.ts'
import { type NextEnd, nameOf, nextEnd, type Outcome, outcomesOf } from './transaction-outcomes.ts'

const longestRounds = 5
const longestLooks = 6
const firstPauseMs = 10
/** How far back the transaction log is read: most hang since a moment ago. */
const logSpans = [10_000, 1_000_000]

export interface HangingTransactionsOptions {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number | undefined
  readonly scope: TransactionScope
  readonly cluster: ClusterConnections
  /** Shown in errors: `kafka 127.0.0.1:9092`. */
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /** Topics of which it was said already that the user may not look there. */
  readonly deniedTopics: Set<string>
}

/**
 * Ends what a broker has left open of the transactions of one id.
 *
 * The coordinator of Kafka 4 takes a partition that has no leader at the moment for a deleted one: it calls a transaction complete without
 * having written its end there. The records stay invisible, and so does all that comes after them in the partition, until the next end of
 * a transaction of the same producer id makes them visible or drops them: together with what that producer, which never saw them, has made
 * of the same input.
 *
 * Whatever is open of a producer id when the coordinator has given it out again hangs. What was decided is in the transaction log; a
 * transaction of the same partitions brings it to them.
 */
export class HangingTransactions {
  readonly #options: HangingTransactionsOptions
  readonly #coordinator: TransactionCoordinator
  #producerId: string | undefined
  #areOffsetsKnown = true

  constructor(options: HangingTransactionsOptions) {
    this.#options = options
    this.#coordinator = new TransactionCoordinator(options)
  }

  /**
   * Fences older producers of the id, and ends what hangs as it was decided. Throws COMMIT_UNKNOWN when something was aborted, or may be by
   * the next producer: whoever took it for committed has to read again what is.
   */
  async end(): Promise<void> {
    const { transactionalId } = this.#options
    for (let round = 1; round <= longestRounds; round++) {
      const producer = await this.#coordinator.init()
      this.#producerId = producer.producerId
      const hanging = await this.#open(producer.producerId)
      if (hanging.length === 0) return
      const end = nextEnd(await this.#outcomes(producer.producerId, hanging), hanging)
      const what = end.outcome === 'commit' ? 'committed' : 'aborted'
      const fact = `the broker had left a transaction of "${transactionalId}" without its end; it is ${what} now`
      const ended = this.#end(producer, end)
      await ended.catch((cause: unknown) => {
        throw new StreamError('COMMIT_UNKNOWN', `${fact}, or aborted later`, { cause })
      })
      this.#warn(fact, end)
      if (end.outcome === 'abort') throw new StreamError('COMMIT_UNKNOWN', fact)
    }
    const fact = `transactions of "${transactionalId}" are left without their end again and again`
    throw new StreamError('PRODUCE_FAILED', fact)
  }

  /**
   * For a producer that has nothing open, after it has lost a connection. Throws PRODUCE_FAILED when its last transaction hangs, or when
   * something was written that was not answered: in both cases the next producer knows.
   */
  async requireEnded(): Promise<void> {
    const { transactionalId, clock } = this.#options
    let pauseMs = firstPauseMs
    for (let look = 1; look <= longestLooks; look++) {
      const open = await this.#open(this.#producerId)
      if (open.length === 0) return
      await delay(clock, pauseMs)
      pauseMs *= 2
    }
    throw new StreamError('PRODUCE_FAILED', `the last transaction of "${transactionalId}" has not ended everywhere`)
  }

  /** Where the producer id has written without an end, as far as the user may know. */
  async #open(producerId: string | undefined): Promise<TopicPartition[]> {
    const offsets = await this.#describeOffsets()
    this.#areOffsetsKnown = offsets !== undefined
    const described = await this.#describe(this.#options.scope.partitions)
    const denied = described.filter(({ isDenied }) => isDenied).map(({ topic }) => topic)
    this.#warnOnce(offsets ? denied : [...denied, offsetsLog])
    return [...described, ...(offsets ?? [])]
      .filter(({ open }) => producerId !== undefined && open.includes(producerId))
      .map(({ topic, partition }) => ({ topic, partition }))
  }

  #warnOnce(denied: readonly string[]): void {
    const { deniedTopics, logger } = this.#options
    const topics = [...new Set(denied)].filter((topic) => !deniedTopics.has(topic))
    for (const topic of topics) deniedTopics.add(topic)
    if (topics.length === 0) return
    logger.warn(
      { topics },
      'without the right to read them nobody knows whether a broker has left transactions open there',
    )
  }

  async #describe(partitions: readonly TopicPartition[]): Promise<DescribedPartition[]> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    return this.#options.cluster.using(topics, async (connections) => {
      const byLeader = Map.groupBy(partitions, ({ topic, partition }) => leaderOf(connections, topic, partition))
      const answers = [...byLeader].map(async ([nodeId, led]) =>
        openProducers(await connections.findBroker({ nodeId }), led),
      )
      return (await Promise.all(answers)).flat()
    })
  }

  /** The partition that keeps the offsets of the group; undefined when the user may not look there. */
  async #describeOffsets(): Promise<DescribedPartition[] | undefined> {
    const { cluster, scope } = this.#options
    try {
      const partitions = (await cluster.partitionsOf(offsetsLog))?.length ?? 0
      if (partitions === 0) return []
      const described = await this.#describe([
        { topic: offsetsLog, partition: coordinatorPartition(scope.group, partitions) },
      ])
      return described.some(({ isDenied }) => isDenied) ? undefined : described
    } catch (error) {
      if (isDenied(error)) return undefined
      throw error
    }
  }

  async #end(producer: ProducerIdentity, { partitions, outcome }: NextEnd): Promise<void> {
    const outputs = partitions.filter(({ topic }) => topic !== offsetsLog)
    const withOffsets = outputs.length < partitions.length || !this.#areOffsetsKnown
    const group = withOffsets ? this.#options.scope.group : undefined
    await this.#coordinator.end(producer, { partitions: outputs, group }, outcome)
  }

  #warn(fact: string, { partitions, isDecided }: NextEnd): void {
    const { transactionalId, logger } = this.#options
    const why = isDecided ? 'as it was decided' : 'because the transaction log does not tell what was decided'
    logger.warn({ transactionalId, partitions: partitions.map(nameOf) }, `${fact}, ${why}`)
  }

  /** Empty when the user may not read the transaction log. */
  async #outcomes(producerId: string, hanging: readonly TopicPartition[]): Promise<ReadonlyMap<string, Outcome>> {
    const { cluster, transactionalId } = this.#options
    let outcomes = new Map<string, Outcome>()
    try {
      const partitions = (await cluster.partitionsOf(transactionLog))?.length ?? 1
      const place = { topic: transactionLog, partition: coordinatorPartition(transactionalId, partitions) }
      const [{ earliest, latest } = { earliest: 0, latest: 0 }] = await cluster.offsets([place])
      for (const span of logSpans) {
        const from = Math.max(earliest, latest - span)
        outcomes = outcomesOf(await this.#entries(place, { from, producerId }), hanging)
        if (outcomes.size === hanging.length || from === earliest) break
      }
    } catch (error) {
      if (!isDenied(error)) throw error
    }
    return outcomes
  }

  async #entries(
    place: TopicPartition,
    { from, producerId }: { readonly from: number; readonly producerId: string },
  ): Promise<TransactionEntry[]> {
    const { transactionalId, cluster, name, clock } = this.#options
    const entries: TransactionEntry[] = []
    for await (const { records } of readPartition(place, from, { cluster, name, clock, signal: undefined })) {
      for (const record of records) {
        const entry = decodeTransactionEntry(record)
        if (entry?.transactionalId === transactionalId && entry.producerId === producerId) entries.push(entry)
      }
    }
    return entries
  }
}
