import type { ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs'
import { delay } from '../../clock.ts'
import type {
  CommitOffset,
  GroupListener,
  GroupMember,
  GroupOptions,
  ReadBatch,
  TopicPartition,
} from '../../runtime/broker.ts'
import { Assignment } from './assignment.ts'
import type { KafkaClientFactory } from './client.ts'
import type { ClusterConnections } from './cluster.ts'
import { GroupCommits } from './commits.ts'
import { within } from './deadline.ts'
import { hasLeft } from './ended-cluster.ts'
import { isOtherAssignor, isPassing, isUnknownMember, isUnknownTopic, joinError, memberError } from './errors.ts'
import { GroupConsumer } from './group-consumer.ts'
import type { ConsumerGroup, FetchedBatch } from './internals.ts'
import { watchPolls } from './polls.ts'
import { toLogRecord } from './records.ts'
import { keepSteady } from './steady-group.ts'

const gateHeartbeatMs = 500
const joinAttempts = 60
const firstJoinPauseMs = 50
const longestJoinPauseMs = 1_000
const calledOffTimeoutMs = 5_000

export interface MemberContext {
  readonly factory: KafkaClientFactory
  readonly cluster: ClusterConnections
  /** Called once the member has left, or died. */
  readonly onEnd: () => void
}

/**
 * A member of a consumer group.
 *
 *    joining --assigned--> delivering --the gate, leaving: revoked--> joining, or gone
 *                                \------removed, crashed: lost------> joining
 *
 * Every join passes the gate, which ends the assignment before: KafkaJS has no other place that sees each of them. From anywhere the
 * member dies of an error that does not pass, or of a listener that throws.
 */
export class KafkaMember implements GroupMember {
  readonly #options: GroupOptions
  readonly #listener: GroupListener
  readonly #factory: KafkaClientFactory
  readonly #onEnd: () => void
  readonly #consumer: GroupConsumer
  readonly #commits: GroupCommits
  readonly #joined = Promise.withResolvers<void>()
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
    this.#consumer = new GroupConsumer(options, factory, {
      gate: (group, join) => this.#gate(group, join),
      mayRestart: (error) => this.#hasJoined && !this.#isLeaving && !isUnknownTopic(error),
    })
    this.#commits = new GroupCommits(options.group, factory.clock)
    const { consumer } = this.#consumer
    consumer.on(consumer.events.GROUP_JOIN, (event) => this.#onJoin(event))
    consumer.on(consumer.events.FETCH_START, () => this.#fetching.resolve())
    consumer.on(consumer.events.CRASH, (event) => this.#onCrash(event))
  }

  /** Resolves when the listener is called with its first assignment. Throws BROKER_UNREACHABLE, CONSUMER_DEAD. */
  static async join(options: GroupOptions, listener: GroupListener, context: MemberContext): Promise<KafkaMember> {
    const member = new KafkaMember(options, listener, context)
    const callOff = () => void member.#callOff(options.signal?.reason)
    options.signal?.addEventListener('abort', callOff, { once: true })
    try {
      await Promise.race([member.#run(), member.#joined.promise])
      await member.#joined.promise
      return member
    } catch (error) {
      member.#isDead = true
      member.#fetching.resolve()
      await member.#end()
      const described = isOtherAssignor(error) ? context.cluster.describeGroup(options.group) : undefined
      // A group that is rebalancing has not agreed on one.
      const used = (await described?.catch(() => undefined))?.protocol || undefined
      throw joinError(error, options, { name: context.factory.name, used })
    } finally {
      options.signal?.removeEventListener('abort', callOff)
    }
  }

  async #run(): Promise<void> {
    const { consumer } = this.#consumer
    await consumer.connect()
    await consumer.subscribe({ topics: [...this.#options.topics], fromBeginning: true })
    // What goes wrong from here on is told as a crash.
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async (payload) => this.#onBatch(payload),
    })
  }

  /** A group that answers is joined first, and then left as usual: else it would wait for a member that is gone. */
  async #callOff(reason: unknown): Promise<void> {
    const joined = this.#joined.promise.catch(() => undefined)
    if (!(await within(this.#factory.clock, calledOffTimeoutMs, joined))) this.#joined.reject(reason)
  }

  get lastHeartbeatAt(): number {
    return this.#consumer.lastHeartbeatAt
  }

  pause(partitions: readonly TopicPartition[]): void {
    const delivered = this.#setPaused(partitions, true)
    if (delivered.length > 0) this.#consumer.pause(delivered)
  }

  resume(partitions: readonly TopicPartition[]): void {
    const delivered = this.#setPaused(partitions, false)
    if (delivered.length > 0) this.#consumer.resume(delivered)
  }

  commit(offsets: readonly CommitOffset[]): Promise<void> {
    return this.#commits.commit(this.#assignment, offsets)
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#revoke().then(() => this.#end())
    return this.#leaving
  }

  get #isLeaving(): boolean {
    return this.#leaving !== undefined || this.#isDead
  }

  async #gate(group: ConsumerGroup, join: () => Promise<void>): Promise<void> {
    if (this.#group !== group) {
      keepSteady(group, this.#factory.clock)
      watchPolls(group, this.#factory.clock, {
        polled: (durationMs) => this.#listener.polled?.(durationMs),
        ends: (ends) => this.#listener.ends?.(ends),
      })
    }
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

  /** The group waits until the rebalance timeout, but only for members that it hears of within the session timeout. */
  async #keepAlive(group: ConsumerGroup, work: Promise<void>): Promise<void> {
    const stop = new AbortController()
    const done = work.finally(() => stop.abort())
    while (!stop.signal.aborted) {
      await delay(this.#factory.clock, gateHeartbeatMs, stop.signal).catch(() => undefined)
      if (!stop.signal.aborted && !(await this.#isKnown(group))) break
    }
    await done
    if (this.#assignment?.isFenced) await this.#lose()
  }

  /** "Rebalance in progress" is the expected answer to a heartbeat here, and a broker that is away may come back. */
  async #isKnown(group: ConsumerGroup): Promise<boolean> {
    try {
      await group.heartbeat({ interval: 0 })
    } catch (error) {
      if (!isUnknownMember(error)) return true
      if (this.#assignment) this.#assignment.isFenced = true
      return false
    }
    return true
  }

  #onJoin({ payload: { memberAssignment } }: ConsumerGroupJoinEvent): void {
    const partitions = Object.entries(memberAssignment).flatMap(([topic, numbers]) =>
      numbers.map((partition) => ({ topic, partition })),
    )
    const group = this.#group
    const offsetManager = group?.offsetManager
    if (!group || !offsetManager || this.#isLeaving) return
    const data = this.#consumer.assignmentData
    const assignment = new Assignment(partitions, { group, offsetManager })
    this.#assignment = assignment
    this.#consumer.pause(partitions)
    this.#factory.logger.info({ group: this.#options.group, partitions: partitions.length }, 'joined the group')
    this.#enqueue(async () => {
      if (assignment.isEnding) return
      assignment.wasHanded = true
      this.#hasJoined = true
      this.#joined.resolve()
      const positions = await this.#listener.assigned(partitions, data)
      if (assignment.isEnding) return
      for (const position of positions) this.#consumer.seek(position, position.offset)
      assignment.start(positions)
      this.#consumer.resume(positions.filter((position) => !assignment.isPaused(position)))
    })
  }

  /** Ends the assignment while the member still belongs to the group. */
  #revoke(): Promise<void> {
    const assignment = this.#assignment
    if (!assignment) return this.#callbacks
    assignment.isEnding = true
    const { rebalanceTimeoutMs, marginMs } = this.#consumer
    const at = this.#factory.clock.now() + rebalanceTimeoutMs - marginMs
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

  /** Returns at once: what the listener cannot take it pauses. */
  #onBatch({ batch, resolveOffset }: EachBatchPayload): void {
    const fetched = batch as unknown as FetchedBatch
    const position = this.#assignment?.positionOf(fetched)
    if (position === undefined || this.#assignment?.isPaused(fetched)) return
    const { topic, partition, fetchedOffset } = fetched
    if (Number(fetchedOffset) !== position) {
      // An answer to what was asked before the last seek.
      this.#consumer.seek(fetched, position)
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

  /** Gives those that are being delivered. Before `assigned` resolves everything is paused, and what is named here stays so afterwards. */
  #setPaused(partitions: readonly TopicPartition[], isPaused: boolean): TopicPartition[] {
    const assignment = this.#assignment
    if (!assignment) return []
    const owned = partitions.filter((partition) => assignment.has(partition))
    assignment.setPaused(owned, isPaused)
    return owned.filter((partition) => assignment.positionOf(partition) !== undefined)
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
    if (!this.#hasJoined) {
      this.#joined.reject(cause)
      return
    }
    const error = memberError(cause, this.#options.group)
    this.#callbacks = this.#callbacks.then(() => this.#listener.failed(error))
    void this.#end()
  }

  async #end(): Promise<void> {
    await this.#consumer.stop(this.#fetching.promise)
    this.#onEnd()
  }
}
