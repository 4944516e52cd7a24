import type { PartitionMetadata } from 'kafkajs'
import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { CommittedOffset, PartitionOffsets, TopicPartition } from '../../runtime/broker.ts'
import type { KafkaClientFactory } from './client.ts'
import { within } from './deadline.ts'
import { endCluster } from './ended-cluster.ts'
import { isDenied, isPassing, isUnknownTopic, requestError, topicMissing, unreachable } from './errors.ts'
import {
  type AnsweringBroker,
  type Cluster,
  type Coordinator,
  type DescribedGroup,
  type DescribedGroups,
  readCommitted,
} from './internals.ts'

const openTimeoutMs = 15_000
const longestAttempts = 10
/** A topic that was created a moment ago may not be known to every broker. */
const missingAttempts = 3
const firstPauseMs = 50
/** What settings are asked of, as the protocol numbers it. */
const topicResource = 2
/** As the protocol numbers the kinds of coordinators. */
const transactionCoordinator = 1
const longestPauseMs = 1_000

/** Connections of one broker object that are neither a member's nor a producer's: for metadata, offsets and reads. */
export class ClusterConnections {
  readonly #name: string
  readonly #clock: Clock
  readonly #cluster: Cluster
  /** How many use a topic. KafkaJS asks for all of its target topics at once, which fails when one of them was deleted: keep them few. */
  readonly #users = new Map<string, number>()

  constructor(factory: KafkaClientFactory) {
    this.#name = factory.name
    this.#clock = factory.clock
    this.#cluster = factory.cluster({ isolationLevel: readCommitted, allowAutoTopicCreation: false })
  }

  /** Throws BROKER_UNREACHABLE, after fifteen seconds at the latest. */
  async connect(): Promise<void> {
    const connecting = this.#cluster.connect()
    try {
      if (await within(this.#clock, openTimeoutMs, connecting)) return
      throw new StreamError('BROKER_UNREACHABLE', `${this.#name} did not answer within ${openTimeoutMs} ms`)
    } catch (error) {
      this.close().catch(() => undefined)
      throw unreachable(error, this.#name)
    }
  }

  /** Ends the questions that are under way, too: KafkaJS would connect again for them. */
  async close(): Promise<void> {
    endCluster(this.#cluster)
    await this.#cluster.disconnect()
  }

  /** The partitions of a topic, or undefined when it does not exist. */
  async partitionsOf(topic: string): Promise<readonly PartitionMetadata[] | undefined> {
    try {
      return await this.#attempt(
        async (cluster) => {
          const broker = await cluster.brokerPool.findConnectedBroker()
          const { topicMetadata } = await broker.metadata([topic])
          return topicMetadata[0]?.partitionMetadata
        },
        async (error) => !isUnknownTopic(error),
      )
    } catch (error) {
      if (isUnknownTopic(error)) return undefined
      throw requestError(error, this.#name, `the partitions of topic "${topic}"`)
    }
  }

  /** The value of one setting of each topic. Whoever may not read settings gets none. */
  async settings(topics: readonly string[], name: string): Promise<Map<string, string>> {
    if (topics.length === 0) return new Map()
    try {
      const { resources } = await this.#attempt(
        async (cluster) => {
          const broker = await cluster.brokerPool.findConnectedBroker()
          const asked = topics.map((topic) => ({ type: topicResource, name: topic, configNames: [name] }))
          return broker.describeConfigs({ resources: asked, includeSynonyms: false })
        },
        async () => true,
      )
      return new Map(
        resources.flatMap(({ resourceName, configEntries }) =>
          configEntries.map(({ configValue }) => [resourceName, configValue] as const),
        ),
      )
    } catch (error) {
      if (isDenied(error)) return new Map()
      throw requestError(error, this.#name, `the setting ${name} of topics ${topics.join(', ')}`)
    }
  }

  /**
   * Runs `request` with the metadata of `topics` loaded; again, with fresh metadata, after an error that may pass. Throws TOPIC_MISSING
   * when one of them does not exist, else what `request` threw last.
   */
  async using<Result>(topics: readonly string[], request: (cluster: Cluster) => Promise<Result>): Promise<Result> {
    const release = this.hold(topics)
    try {
      return await this.#attempt(
        async (cluster) => {
          await cluster.addMultipleTargetTopics([...topics])
          // An earlier request for metadata, still under way, may have answered for this one without knowing its topics.
          await cluster.refreshMetadataIfNecessary()
          requireLoaded(cluster, topics)
          return request(cluster)
        },
        async (error, attempt) => {
          if (attempt >= missingAttempts && isUnknownTopic(error)) await this.#requireAll(topics)
          return true
        },
      )
    } finally {
      release()
    }
  }

  /** Keeps the metadata of topics loaded between several calls of `using`, until the returned function is called. */
  hold(topics: readonly string[]): () => void {
    for (const topic of topics) this.#users.set(topic, (this.#users.get(topic) ?? 0) + 1)
    return () => {
      for (const topic of topics) this.#release(topic)
    }
  }

  async offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]> {
    const asked = byTopic(partitions)
    // The first offset before the last one: meanwhile a log may lose its oldest records, but its end does not move back.
    const earliest = await this.#listOffsets(asked, true)
    const latest = await this.#listOffsets(asked, false)
    return partitions.map(({ topic, partition }) => {
      const first = earliest.get(keyOf(topic, partition))
      const next = latest.get(keyOf(topic, partition))
      if (first === undefined || next === undefined) throw topicMissing(keyOf(topic, partition))
      return { topic, partition, earliest: first, latest: next }
    })
  }

  async committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    const asked = byTopic(partitions)
    const topics = asked.map(({ topic, partitions: numbers }) => ({
      topic,
      // KafkaJS's type wants an offset here, and its request leaves it out.
      partitions: numbers.map((partition) => ({ partition, offset: '' })),
    }))
    const { responses } = await this.#request(asked, `the offsets of group "${group}"`, async (cluster) => {
      const coordinator = await cluster.findGroupCoordinator({ groupId: group })
      return coordinator.offsetFetch({ groupId: group, topics })
    })
    const commits = new Map<string, { readonly offset: string; readonly metadata?: string | null }>()
    for (const { topic, partitions: found } of responses)
      for (const commit of found) commits.set(keyOf(topic, commit.partition), commit)
    return partitions.map(({ topic, partition }) => {
      const commit = commits.get(keyOf(topic, partition))
      const offset = Number(commit?.offset ?? -1)
      return { topic, partition, offset: offset < 0 ? undefined : offset, metadata: commit?.metadata ?? '' }
    })
  }

  async committedTopics(group: string): Promise<string[]> {
    // No topic is every topic: KafkaJS writes an empty list as null.
    const { responses } = await this.askCoordinator(group, 'the offsets', (coordinator) =>
      coordinator.offsetFetch({ groupId: group, topics: [] }),
    )
    const committed = responses.filter(({ partitions }) => partitions.some(({ offset }) => Number(offset) >= 0))
    return committed.map(({ topic }) => topic)
  }

  /** As the coordinator has it; a group that does not exist has no members. */
  async describeGroup(group: string): Promise<DescribedGroup | undefined> {
    const { groups }: DescribedGroups = await this.askCoordinator(group, 'the members', (coordinator) =>
      coordinator.describeGroups({ groupIds: [group] }),
    )
    return groups[0]
  }

  /** Asks a broker, whichever. */
  async askAny<Answer>(what: string, ask: (broker: AnsweringBroker) => Promise<Answer>): Promise<Answer> {
    return this.#request([], what, async (cluster) => ask(await cluster.brokerPool.findConnectedBroker()))
  }

  /** Asks the broker that keeps a transactional id. */
  async askTransactionCoordinator<Answer>(
    transactionalId: string,
    ask: (coordinator: Coordinator) => Promise<Answer>,
  ): Promise<Answer> {
    const request = { groupId: transactionalId, coordinatorType: transactionCoordinator }
    return this.#request([], `the coordinator of transactional id "${transactionalId}"`, async (cluster) =>
      ask(await cluster.findGroupCoordinator(request)),
    )
  }

  /** Asks the broker that keeps a group. */
  async askCoordinator<Answer>(
    group: string,
    what: string,
    ask: (coordinator: Coordinator) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#request([], `${what} of group "${group}"`, async (cluster) =>
      ask(await cluster.findGroupCoordinator({ groupId: group })),
    )
  }

  async #listOffsets(asked: readonly AskedTopic[], fromBeginning: boolean): Promise<Map<string, number>> {
    const topics = asked.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition })),
      fromBeginning,
    }))
    const answers = await this.#request(asked, 'offsets', (cluster) => cluster.fetchTopicsOffset(topics))
    return new Map(
      answers.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => [keyOf(topic, partition), Number(offset)] as const),
      ),
    )
  }

  async #request<Result>(
    asked: readonly AskedTopic[],
    what: string,
    request: (cluster: Cluster) => Promise<Result>,
  ): Promise<Result> {
    const topics = asked.map(({ topic }) => topic)
    try {
      return await this.using(topics, request)
    } catch (error) {
      throw requestError(error, this.#name, what)
    }
  }

  async #attempt<Result>(
    request: (cluster: Cluster) => Promise<Result>,
    mayRepeat: (error: unknown, attempt: number) => Promise<boolean>,
  ): Promise<Result> {
    let pauseMs = firstPauseMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await request(this.#cluster)
      } catch (error) {
        if (attempt === longestAttempts || !isPassing(error) || !(await mayRepeat(error, attempt))) throw error
      }
      await delay(this.#clock, pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestPauseMs)
      if (this.#users.size > 0) await this.#cluster.refreshMetadata().catch(() => undefined)
    }
  }

  async #requireAll(topics: readonly string[]): Promise<void> {
    for (const topic of topics) if (!(await this.partitionsOf(topic))) throw topicMissing(topic)
  }

  #release(topic: string): void {
    const users = (this.#users.get(topic) ?? 1) - 1
    if (users > 0) this.#users.set(topic, users)
    else {
      this.#users.delete(topic)
      this.#cluster.targetTopics.delete(topic)
    }
  }
}

/** Also the second request is shared with whoever has asked before, and may have been made for other topics. */
function requireLoaded(cluster: Cluster, topics: readonly string[]): void {
  const missing = topics.find((topic) => cluster.findTopicPartitionMetadata(topic).length === 0)
  if (missing === undefined) return
  const error = new Error(`the metadata of topic "${missing}" is not loaded`)
  throw Object.assign(error, { name: 'KafkaJSTopicMetadataNotLoaded' })
}

interface AskedTopic {
  readonly topic: string
  readonly partitions: readonly number[]
}

function byTopic(partitions: readonly TopicPartition[]): AskedTopic[] {
  const groups = Map.groupBy(partitions, ({ topic }) => topic)
  return [...groups].map(([topic, group]) => ({ topic, partitions: group.map(({ partition }) => partition) }))
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
