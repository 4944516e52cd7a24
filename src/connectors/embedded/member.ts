import type { Cancel, Clock } from '../../clock.ts'
import { StreamError, toStreamError } from '../../errors.ts'
import type {
  CommitOffset,
  GroupListener,
  GroupMember,
  GroupOptions,
  MemberAssignment,
  RevocationDeadline,
  TopicPartition,
} from '../../runtime/broker.ts'
import { Delivery } from './delivery.ts'
import type { EmbeddedLog } from './log.ts'

const defaultRebalanceTimeoutMs = 60_000

/** What a member asks of its group. */
export interface Membership {
  /** The member is gone: its partitions go to the others. */
  remove(member: Member): void
  /** A member that was lost comes back as a new one. */
  rejoin(member: Member): void
}

export interface MemberContext {
  readonly log: EmbeddedLog
  readonly clock: Clock
  readonly group: Membership
}

/**
 * One member of a group. It may commit while it holds partitions:
 *
 *    waiting --assign--> holding --revoke--> revoking --(`revoked` resolves)--> waiting
 *       ^                   |                   |
 *       |                   +-------lose--------+
 *       |                             |
 *       +----(`lost` resolves)----- lost
 *
 * and from anywhere to gone: it left, failed, or its broker was closed. The callbacks of the listener form one chain, so that no two
 * of them overlap; one whose reason has passed when its turn comes is left out.
 */
export class Member implements GroupMember {
  readonly options: GroupOptions
  readonly #listener: GroupListener
  readonly #context: MemberContext
  readonly #joined = Promise.withResolvers<void>()
  #hasJoined = false
  /** What the member holds. */
  #delivery: Delivery | undefined
  #revocation: Promise<void> | undefined
  #leaving: Promise<void> | undefined
  #isGone = false
  readonly #gone = Promise.withResolvers<true>()
  #callbacks: Promise<void> = Promise.resolve()

  constructor(options: GroupOptions, listener: GroupListener, context: MemberContext) {
    this.options = options
    this.#listener = listener
    this.#context = context
  }

  /** Resolves when the listener is called with its first assignment. */
  get joined(): Promise<void> {
    return this.#joined.promise
  }

  /** Resolves when it left, failed, or its broker was closed. */
  get gone(): Promise<true> {
    return this.#gone.promise
  }

  /** It gets no partitions any more. */
  get isLeaving(): boolean {
    return this.#leaving !== undefined || this.#isGone
  }

  get rebalanceTimeoutMs(): number {
    return this.options.rebalanceTimeoutMs ?? defaultRebalanceTimeoutMs
  }

  /** The group lives in this process: it hears of its members without heartbeats. */
  get lastHeartbeatAt(): number {
    return this.#context.clock.now()
  }

  assign({ partitions, data = new Uint8Array(0) }: MemberAssignment): void {
    const delivery = new Delivery(this.#context, partitions, {
      polled: (durationMs) => this.#listener.polled?.(durationMs),
      ends: (ends) => this.#listener.ends?.(ends),
      records: (partition, batch) => this.#listener.records(partition, batch),
      failed: (error) => this.fail(error),
    })
    this.#delivery = delivery
    this.#revocation = undefined
    this.#enqueue(async () => {
      if (this.#delivery !== delivery) return
      this.#hasJoined = true
      this.#joined.resolve()
      delivery.start(await this.#listener.assigned(partitions, data))
    })
  }

  /** Resolves with true when the member holds nothing any more, with false when the deadline passed before. */
  async revoke(): Promise<boolean> {
    const { clock } = this.#context
    this.#revocation ??= this.#callRevoked({ at: clock.now() + this.rebalanceTimeoutMs })
    let cancel: Cancel = () => undefined
    const late = new Promise<false>((resolve) => {
      cancel = clock.after(this.rebalanceTimeoutMs, () => resolve(false))
    })
    try {
      return await Promise.race([this.#revocation.then(() => true), this.#gone.promise, late])
    } finally {
      cancel()
    }
  }

  /** The group goes on without this member, which comes back as a new one. */
  lose(): void {
    this.#drop()
    this.#enqueue(async () => {
      await this.#listener.lost()
      if (!this.isLeaving) this.#context.group.rejoin(this)
    })
  }

  /** The member is dead: a callback threw, or the log cannot be read. */
  fail(cause: unknown): void {
    if (this.#isGone) return
    const error = toStreamError(cause, 'CONSUMER_DEAD', `a member of group "${this.options.group}" failed`)
    this.#joined.reject(error)
    this.abandon()
    if (this.#hasJoined) this.#listener.failed(error)
  }

  /** Out of the group without a word to the listener. */
  abandon(): void {
    this.#isGone = true
    this.#gone.resolve(true)
    this.#joined.reject(new StreamError('BROKER_CLOSED', 'the broker was closed before the member had joined'))
    this.#drop()
    this.#context.group.remove(this)
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#delivery?.setPaused(partitions, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#delivery?.setPaused(partitions, false)
  }

  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    const { group } = this.options
    const foreign = offsets.find((offset) => !this.#delivery?.has(offset))
    if (foreign) {
      const { topic, partition } = foreign
      const fact = `${topic}-${partition} is not assigned to this member of group "${group}"`
      throw new StreamError('MEMBER_FENCED', fact, { details: { group, topic, partition } })
    }
    await this.#context.log.commit(group, offsets)
  }

  leave(): Promise<void> {
    this.#leaving ??= this.revoke().then(() => this.abandon())
    return this.#leaving
  }

  #callRevoked(deadline: RevocationDeadline): Promise<void> {
    const delivery = this.#delivery
    delivery?.stop()
    return this.#enqueue(async () => {
      if (!delivery || this.#delivery !== delivery) return
      await this.#listener.revoked(deadline)
      if (this.#delivery === delivery) this.#delivery = undefined
    })
  }

  #drop(): void {
    this.#delivery?.stop()
    this.#delivery = undefined
  }

  #enqueue(callback: () => Promise<void>): Promise<void> {
    this.#callbacks = this.#callbacks.then(async () => {
      if (this.#isGone) return
      try {
        await callback()
      } catch (error) {
        this.fail(error)
      }
    })
    return this.#callbacks
  }
}
