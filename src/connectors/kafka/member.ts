import type { Consumer, ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs'
import { delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type {
  CommitOffset,
  GroupListener,
  GroupMember,
  GroupOptions,
  ReadBatch,
  TopicPartition,
} from '../../runtime/broker.ts'
import { partitionAssigner } from './assigner.ts'
import { Assignment } from './assignment.ts'
import { type KafkaClientFactory, retries } from './client.ts'
import { commitError, isPassing, isUnknownMember, isWrongCoordinator, memberError, unreachable } from './errors.ts'
import type { Cluster, ConsumerGroup, FetchedBatch } from './internals.ts'
import { toLogRecord } from './records.ts'

const defaultSessionTimeoutMs = 45_000
const defaultRebalanceTimeoutMs = 60_000
const longestHeartbeatMs = 3_000
/** A paused partition that is resumed waits this long at most, as does leaving. */
const fetchWaitMs = 250
const gateHeartbeatMs = 500
const commitAllowanceMs = 1_000
const commitAttempts = 3
const joinAttempts = 60
const firstJoinPauseMs = 50
const longestJoinPauseMs = 1_000
const stopTimeoutMs = 5_000

export interface MemberContext {
  readonly factory: KafkaClientFactory
  /** Called once the member has left, or died. */
  readonly onEnd: () => void
}

/**
 * A member of a consumer group.
 *
 *    joining --assigned--> delivering --gate, leave: revoked--> joining ...
 *                              \--removed, crashed: lost------> joining ...
 *
 * Every join passes the gate, which ends the assignment before. KafkaJS has no other place that sees each of them.
 */
export class KafkaMember implements GroupMember {
  readonly #options: GroupOptions
  readonly #listener: GroupListener
  readonly #factory: KafkaClientFactory
  readonly #onEnd: () => void
  readonly #consumer: Consumer
  readonly #clusters: Cluster[] = []
  readonly #heartbeatMs: number
  readonly #joined = Promise.withResolvers<void>()
  /** KafkaJS can be stopped only once it has begun to fetch: before, the member would stay in the group as a ghost. */
  readonly #fetching = Promise.withResolvers<void>()
  #group: ConsumerGroup | undefined
  #assignment: Assignment | undefined
  #callbacks: Promise<void> = Promise.resolve()
  #hasJoined = false
  #isDead = false
  #leaving: Promise<void> | undefined

  private constructor(options: GroupOptions, listener: GroupListener, { factory, onEnd }: MemberContext) {
    this.#options = options
    this.#listener = listener
    this.#factory = factory
    this.#onEnd = onEnd
    const sessionTimeout = options.sessionTimeoutMs ?? defaultSessionTimeoutMs
    this.#heartbeatMs = Math.min(longestHeartbeatMs, sessionTimeout / 3, this.#rebalanceTimeoutMs / 3)
    const kafka = factory.kafka(retries.member, (cluster) => this.#clusters.push(cluster))
    this.#consumer = kafka.consumer({
      groupId: options.group,
      partitionAssigners: [
        partitionAssigner(factory.kafkaJs, options.assignor, (group, join) => this.#gate(group, join)),
      ],
      sessionTimeout,
      rebalanceTimeout: this.#rebalanceTimeoutMs,
      heartbeatInterval: this.#heartbeatMs,
      maxWaitTimeInMs: fetchWaitMs,
      allowAutoTopicCreation: false,
      retry: { ...retries.member, restartOnFailure: async () => this.#hasJoined && !this.#isLeaving },
    })
    const { events } = this.#consumer
    this.#consumer.on(events.GROUP_JOIN, (event) => this.#onJoin(event))
    this.#consumer.on(events.FETCH_START, () => this.#fetching.resolve())
    this.#consumer.on(events.CRASH, (event) => this.#onCrash(event))
    this.#consumer.on(events.END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      // KafkaJS keeps batches to itself that hold control records alone; the position moves all the same.
      if (batchSize === 0) this.#deliver({ topic, partition }, { records: [], next: Number(lastOffset) + 1 })
    })
  }

  /** Resolves when the listener is called with its first assignment. Throws BROKER_UNREACHABLE, CONSUMER_DEAD. */
  static async join(options: GroupOptions, listener: GroupListener, context: MemberContext): Promise<KafkaMember> {
    const member = new KafkaMember(options, listener, context)
    try {
      await member.#consumer.connect()
      await member.#consumer.subscribe({ topics: [...options.topics], fromBeginning: true })
      // What goes wrong from here on is told as a crash.
      await member.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async (payload) => member.#onBatch(payload),
      })
      await member.#joined.promise
      return member
    } catch (error) {
      member.#isDead = true
      await member.#disconnect()
      throw isPassing(error) ? unreachable(error, context.factory.name) : memberError(error, options.group)
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false)
  }

  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    const { group } = this.#options
    const assignment = this.#assignment
    if (!assignment || assignment.isFenced || !offsets.every((offset) => assignment.has(offset))) {
      const names = offsets.map(({ topic, partition }) => `${topic}-${partition}`).join(', ')
      throw new StreamError('MEMBER_FENCED', `this member of group "${group}" does not own all of ${names} any more`)
    }
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset, metadata = '' }) => ({
        partition,
        offset: String(offset),
        metadata,
      })),
    }))
    for (let attempt = 1; ; attempt++) {
      try {
        // The consumer's own method does nothing while it is not running, as during a first join or while it stops.
        return await assignment.offsetManager.commitOffsets({ topics })
      } catch (error) {
        if (isUnknownMember(error)) assignment.isFenced = true
        if (!isWrongCoordinator(error) || attempt === commitAttempts) throw commitError(error, group)
      }
      await this.#findCoordinator(assignment)
    }
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave()
    return this.#leaving
  }

  get #isLeaving(): boolean {
    return this.#leaving !== undefined || this.#isDead
  }

  get #rebalanceTimeoutMs(): number {
    return this.#options.rebalanceTimeoutMs ?? defaultRebalanceTimeoutMs
  }

  /** Stands before every join. */
  async #gate(group: ConsumerGroup, join: () => Promise<void>): Promise<void> {
    if (this.#group !== group) keepNodeIds(group)
    this.#group = group
    if (group.memberId === null) await this.#lose()
    else await this.#keepAlive(group, this.#revoke())
    let pauseMs = firstJoinPauseMs
    for (let attempt = 1; !this.#isLeaving; attempt++) {
      try {
        return await join()
      } catch (error) {
        // KafkaJS would crash when the coordinator has only just started, and come back as another member.
        if (attempt === joinAttempts || !isPassing(error)) throw error
      }
      await delay(this.#factory.clock, pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestJoinPauseMs)
    }
    // Joining only to leave would make the others rebalance twice.
    await group.leave().catch(() => undefined)
    throw hasLeft()
  }

  /** The group waits for its members until the rebalance timeout, but only for those that are heard of within the session timeout. */
  async #keepAlive(group: ConsumerGroup, work: Promise<void>): Promise<void> {
    const { clock } = this.#factory
    const stop = new AbortController()
    const done = work.finally(() => stop.abort())
    while (!stop.signal.aborted) {
      await delay(clock, gateHeartbeatMs, stop.signal).catch(() => undefined)
      if (stop.signal.aborted) break
      try {
        await group.heartbeat({ interval: 0 })
      } catch (error) {
        // "Rebalance in progress" is the expected answer.
        if (!isUnknownMember(error)) continue
        if (this.#assignment) this.#assignment.isFenced = true
        break
      }
    }
    await done
    if (this.#assignment?.isFenced) await this.#lose()
  }

  #onJoin({ payload: { memberAssignment } }: ConsumerGroupJoinEvent): void {
    const partitions = Object.entries(memberAssignment).flatMap(([topic, numbers]) =>
      numbers.map((partition) => ({ topic, partition })),
    )
    const offsetManager = this.#group?.offsetManager
    if (!offsetManager) return
    const assignment = new Assignment(partitions, offsetManager)
    this.#assignment = assignment
    this.#consumer.pause(toKafkaJs(partitions))
    this.#factory.logger.info({ group: this.#options.group, partitions: partitions.length }, 'joined the group')
    this.#enqueue(async () => {
      if (assignment.isEnding) return
      assignment.wasHanded = true
      this.#hasJoined = true
      this.#joined.resolve()
      const positions = await this.#listener.assigned(partitions)
      if (assignment.isEnding) return
      for (const { topic, partition, offset } of positions)
        this.#consumer.seek({ topic, partition, offset: String(offset) })
      assignment.start(positions)
      this.#consumer.resume(toKafkaJs(positions.filter((position) => !assignment.isPaused(position))))
    })
  }

  /** Ends the assignment while the member still belongs to the group. */
  #revoke(): Promise<void> {
    const assignment = this.#assignment
    if (!assignment) return this.#callbacks
    assignment.isEnding = true
    const { clock } = this.#factory
    const marginMs = this.#heartbeatMs + fetchWaitMs + Math.min(commitAllowanceMs, this.#rebalanceTimeoutMs / 10)
    const at = clock.now() + this.#rebalanceTimeoutMs - marginMs
    assignment.revocation ??= this.#enqueue(async () => {
      if (this.#assignment !== assignment) return
      if (assignment.wasHanded) await this.#listener.revoked({ at })
      if (this.#assignment === assignment && !assignment.isFenced) this.#assignment = undefined
    })
    return assignment.revocation
  }

  /** Ends the assignment after the group has removed the member. */
  #lose(): Promise<void> {
    const assignment = this.#assignment
    if (!assignment) return this.#callbacks
    assignment.isEnding = true
    assignment.isFenced = true
    return this.#enqueue(async () => {
      if (this.#assignment !== assignment) return
      this.#assignment = undefined
      this.#factory.logger.warn({ group: this.#options.group }, 'the group has removed this member; it joins again')
      if (assignment.wasHanded) await this.#listener.lost()
    })
  }

  #onBatch({ batch, resolveOffset }: EachBatchPayload): void {
    const fetched = batch as unknown as FetchedBatch
    const position = this.#assignment?.positionOf(fetched)
    if (position === undefined || this.#assignment?.isPaused(fetched)) return
    const { topic, partition, fetchedOffset } = fetched
    if (Number(fetchedOffset) !== position) {
      // An answer to what was asked before the last seek.
      this.#consumer.seek({ topic, partition, offset: String(position) })
      return
    }
    const lastOffset = fetched.lastOffset()
    resolveOffset(lastOffset)
    this.#deliver({ topic, partition }, { records: fetched.messages.map(toLogRecord), next: Number(lastOffset) + 1 })
  }

  #deliver(partition: TopicPartition, batch: ReadBatch): void {
    const position = this.#assignment?.positionOf(partition)
    if (position === undefined || batch.next <= position) return
    this.#assignment?.advance(partition, batch.next)
    try {
      this.#listener.records(partition, batch)
    } catch (error) {
      this.#die(error)
    }
  }

  #setPaused(partitions: readonly TopicPartition[], isPaused: boolean): void {
    const assignment = this.#assignment
    const owned = partitions.filter((partition) => assignment?.has(partition))
    assignment?.setPaused(owned, isPaused)
    // Before `assigned` has resolved everything is paused, and what is named here stays so afterwards.
    const delivered = owned.filter((partition) => assignment?.positionOf(partition) !== undefined)
    if (delivered.length === 0) return
    if (isPaused) this.#consumer.pause(toKafkaJs(delivered))
    else this.#consumer.resume(toKafkaJs(delivered))
  }

  /** The coordinator of a group moves with the partitions of an internal topic. */
  async #findCoordinator({ offsetManager }: Assignment): Promise<void> {
    const { group } = this.#options
    try {
      const coordinator = await this.#group?.cluster.findGroupCoordinator({ groupId: group })
      if (coordinator) offsetManager.coordinator = coordinator
    } catch (error) {
      throw commitError(error, group)
    }
  }

  /** KafkaJS has left the group without passing the gate; unless the error is final it joins again by itself. */
  #onCrash({ payload: { error, restart } }: ConsumerCrashEvent): void {
    this.#fetching.resolve()
    if (this.#isLeaving) return
    if (restart) void this.#lose()
    else this.#die(error)
  }

  /** One callback of the listener at a time. The member dies when one fails. */
  #enqueue(callback: () => Promise<void>): Promise<void> {
    this.#callbacks = this.#callbacks.then(async () => {
      if (this.#isDead) return
      try {
        await callback()
      } catch (error) {
        this.#die(error)
      }
    })
    return this.#callbacks
  }

  #die(cause: unknown): void {
    if (this.#isDead) return
    this.#isDead = true
    this.#assignment = undefined
    const error = memberError(cause, this.#options.group)
    if (this.#hasJoined) this.#callbacks = this.#callbacks.then(() => this.#listener.failed(error))
    else this.#joined.reject(cause)
    void this.#disconnect()
  }

  async #leave(): Promise<void> {
    await this.#within(this.#rebalanceTimeoutMs + stopTimeoutMs, this.#fetching.promise)
    await this.#revoke()
    await this.#disconnect()
  }

  async #disconnect(): Promise<void> {
    const { group } = this.#options
    const stopping = this.#consumer.disconnect().catch((error: unknown) => {
      this.#factory.logger.debug({ group, error }, 'the consumer did not disconnect cleanly')
    })
    const isStopped = await this.#within(stopTimeoutMs, stopping)
    this.#onEnd()
    if (isStopped) return
    this.#factory.logger.warn(
      { group },
      'the cluster does not answer; the group notices only at the session timeout that the member is gone',
    )
    // What KafkaJS waits for is a broker, for as long as it may: with this it finds none and gives up.
    for (const { brokerPool } of this.#clusters) brokerPool.createSeedBroker = () => Promise.reject(hasLeft())
  }

  /** False when the time is over before `work` is done. */
  async #within(timeoutMs: number, work: Promise<void>): Promise<boolean> {
    const late = Promise.withResolvers<false>()
    const cancel = this.#factory.clock.after(timeoutMs, () => late.resolve(false))
    try {
      return await Promise.race([work.then(() => true), late.promise])
    } finally {
      cancel()
    }
  }
}

/** Ends what KafkaJS would otherwise repeat. */
function hasLeft(): Error {
  return Object.assign(new Error('the member has left'), { retriable: false })
}

/** While no broker can be reached KafkaJS forgets them all, and then crashes for having none; the ones it knew may come back. */
function keepNodeIds(group: ConsumerGroup): void {
  const current = group.getNodeIds.bind(group)
  let known: readonly string[] = []
  group.getNodeIds = () => {
    const ids = current()
    if (ids.length > 0) known = ids
    return known
  }
}

function toKafkaJs(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const groups = Map.groupBy(partitions, ({ topic }) => topic)
  return [...groups].map(([topic, group]) => ({ topic, partitions: group.map(({ partition }) => partition) }))
}
