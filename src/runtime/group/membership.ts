import type { Clock } from '../../clock.ts'
import type { StreamError } from '../../errors.ts'
import type { Broker, CommitOffset, GroupListener, GroupMember, GroupOptions } from '../broker.ts'
import type { RebalanceReason, RuntimeObserver } from '../observer.ts'
import type { Tracer } from '../tracer.ts'

export interface MembershipOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly observer: RuntimeObserver
  readonly tracer: Tracer | undefined
}

/**
 * The place of an instance in its group, over all the times that it joins: whether the group counts it in, and how long rebalances take,
 * is told by what the group calls.
 */
export class Membership {
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #observer: RuntimeObserver
  readonly #tracer: Tracer | undefined
  #member: GroupMember | undefined
  /** Resolves once the group is joined; the first assignment may come before. */
  #joined = Promise.withResolvers<GroupMember>()
  #isMember = false
  #rebalance: { readonly reason: RebalanceReason; readonly since: number } | undefined

  constructor({ broker, clock, observer, tracer }: MembershipOptions) {
    this.#broker = broker
    this.#clock = clock
    this.#observer = observer
    this.#tracer = tracer
    this.#joined.promise.catch(() => undefined)
  }

  /** Undefined until the group is joined. After `leave` it stays the one that has left, until the next `join`. */
  get member(): GroupMember | undefined {
    return this.#member
  }

  /** From the first assignment until the group goes on without us: also while it rebalances. */
  get isMember(): boolean {
    return this.#isMember
  }

  /** The first time, or again after `leave`. Throws what `Broker.join` throws. */
  async join(options: GroupOptions, listener: GroupListener): Promise<void> {
    if (this.#member) {
      this.#member = undefined
      this.#joined = Promise.withResolvers<GroupMember>()
      this.#joined.promise.catch(() => undefined)
    }
    this.#member = await this.#broker.join(options, this.#around(listener))
    this.#joined.resolve(this.#member)
  }

  /** Waits for a join that is under way. */
  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    const member = await this.#joined.promise
    await member.commit(offsets)
  }

  async leave(): Promise<void> {
    await this.#member?.leave()
  }

  /** Nobody will join any more: commits that wait for it fail with this error. */
  end(error: StreamError): void {
    this.#joined.reject(error)
  }

  /** Counts what the group calls, and passes it on. */
  #around(listener: GroupListener): GroupListener {
    this.#isMember = false
    this.#begin('join')
    return {
      assigned: async (partitions, data) => {
        const starts = await listener.assigned(partitions, data)
        this.#isMember = true
        this.#end()
        return starts
      },
      revoked: (deadline) => {
        this.#begin('revoked')
        return listener.revoked(deadline)
      },
      lost: () => {
        this.#isMember = false
        this.#begin('lost')
        return listener.lost()
      },
      records: (partition, batch) => {
        this.#observer.fetched?.(partition, batch.records.length)
        this.#tracer?.received({ ...partition, records: batch.records.length, next: batch.next })
        listener.records(partition, batch)
      },
      polled: (durationMs) => this.#observer.polled?.(durationMs),
      ends: (ends) => listener.ends?.(ends),
      failed: (error) => listener.failed(error),
    }
  }

  /** What is lost in the middle of a rebalance was lost. */
  #begin(reason: RebalanceReason): void {
    this.#rebalance = { reason, since: this.#rebalance?.since ?? this.#clock.now() }
  }

  #end(): void {
    const { reason, since } = this.#rebalance ?? { reason: 'revoked', since: this.#clock.now() }
    this.#rebalance = undefined
    this.#observer.rebalanced?.({ reason, durationMs: Math.max(0, this.#clock.now() - since) })
  }
}
