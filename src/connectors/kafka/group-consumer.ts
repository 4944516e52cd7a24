import type { Consumer } from 'kafkajs'
import { StreamError } from '../../errors.ts'
import type { GroupOptions, TopicPartition } from '../../runtime/broker.ts'
import { assignmentData, partitionAssigner } from './assigner.ts'
import { type KafkaClientFactory, retries } from './client.ts'
import type { JoinGate } from './compat.ts'
import { within } from './deadline.ts'
import { endCluster } from './ended-cluster.ts'
import type { Cluster } from './internals.ts'
import { watchSessions } from './sessions.ts'

const defaultSessionTimeoutMs = 45_000
const defaultRebalanceTimeoutMs = 60_000
/** How soon a member hears of a rebalance. */
const longestHeartbeatMs = 1_000
/** A partition that is resumed waits this long at most, as does leaving. */
const fetchWaitMs = 250
/** KafkaJS decodes an answer without a break: with its defaults the event loop stands still for 0.1 s. Throughput is the same. */
const fetchBytes = 1_048_576
const partitionBytes = 262_144
const commitAllowanceMs = 1_000
const stopTimeoutMs = 5_000

export interface GroupConsumerHooks {
  readonly gate: JoinGate
  /** Asked after a crash whose cause may pass. */
  mayRestart(error: Error): boolean
}

/** A KafkaJS consumer with the settings of a member, and its connections. */
export class GroupConsumer {
  readonly consumer: Consumer
  readonly cluster: Cluster
  /** How long giving up partitions may take. */
  readonly rebalanceTimeoutMs: number
  /** How much of it is over when the member hears of the rebalance, or is kept for what follows. */
  readonly marginMs: number
  readonly #options: GroupOptions
  readonly #factory: KafkaClientFactory
  #lastHeartbeatAt = 0
  #assignmentData: Uint8Array = new Uint8Array(0)

  constructor(options: GroupOptions, factory: KafkaClientFactory, { gate, mayRestart }: GroupConsumerHooks) {
    const { sessionTimeoutMs = defaultSessionTimeoutMs, rebalanceTimeoutMs = defaultRebalanceTimeoutMs } = options
    const heartbeatMs = Math.min(longestHeartbeatMs, sessionTimeoutMs / 3, rebalanceTimeoutMs / 3)
    this.#options = options
    this.#factory = factory
    this.rebalanceTimeoutMs = rebalanceTimeoutMs
    this.marginMs = heartbeatMs + fetchWaitMs + Math.min(commitAllowanceMs, rebalanceTimeoutMs / 10)
    const clusters: Cluster[] = []
    this.consumer = factory
      .kafka(retries.member, (cluster) => clusters.push(cluster))
      .consumer({
        groupId: options.group,
        partitionAssigners: [partitionAssigner(factory.kafkaJs, options.assignor, gate)],
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: rebalanceTimeoutMs,
        heartbeatInterval: heartbeatMs,
        maxWaitTimeInMs: fetchWaitMs,
        maxBytesPerPartition: partitionBytes,
        maxBytes: fetchBytes,
        allowAutoTopicCreation: false,
        metadataMaxAge: factory.metadataMaxAgeMs,
        retry: { ...retries.member, restartOnFailure: async (error) => mayRestart(error) },
      })
    const [cluster] = clusters
    if (!cluster) throw new StreamError('CLIENT_VERSION', 'a consumer of kafkajs was made without a cluster')
    this.cluster = cluster
    watchSessions(cluster, factory.clock, {
      renewed: (sentAt) => {
        this.#lastHeartbeatAt = Math.max(this.#lastHeartbeatAt, sentAt)
      },
      synced: (answer) => {
        this.#assignmentData = assignmentData(factory.kafkaJs, answer)
      },
    })
  }

  /** What the leader said besides the partitions, at the last sync. */
  get assignmentData(): Uint8Array {
    return this.#assignmentData
  }

  /** When the last join, sync or heartbeat was sent that the coordinator has accepted; 0 before the first. */
  get lastHeartbeatAt(): number {
    // What lies in the future is of a clock that was turned back, and says nothing: the next heartbeat does.
    if (this.#lastHeartbeatAt > this.#factory.clock.now()) this.#lastHeartbeatAt = 0
    return this.#lastHeartbeatAt
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.consumer.pause(toKafkaJs(partitions))
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.consumer.resume(toKafkaJs(partitions))
  }

  seek({ topic, partition }: TopicPartition, offset: number): void {
    this.consumer.seek({ topic, partition, offset: String(offset) })
  }

  /** KafkaJS can be stopped only once it has begun to fetch: before, the member would stay in the group as a ghost. */
  async stop(hasBegunToFetch: Promise<void>): Promise<void> {
    const { clock, logger } = this.#factory
    const { group } = this.#options
    await within(clock, this.rebalanceTimeoutMs + stopTimeoutMs, hasBegunToFetch)
    const stopping = this.consumer.disconnect().catch((error: unknown) => {
      logger.debug({ group, error }, 'the consumer did not disconnect cleanly')
    })
    const isStopped = await within(clock, stopTimeoutMs, stopping)
    // A join that is still tried would make a ghost of the member.
    endCluster(this.cluster)
    if (isStopped) return
    logger.warn(
      { group },
      'the cluster does not answer; until the session timeout the group does not know that the member has left',
    )
  }
}

function toKafkaJs(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const groups = Map.groupBy(partitions, ({ topic }) => topic)
  return [...groups].map(([topic, group]) => ({ topic, partitions: group.map(({ partition }) => partition) }))
}
