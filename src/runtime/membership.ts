import type { Clock } from '../clock.ts'
import type { GroupListener } from './broker.ts'
import type { RebalanceReason, RuntimeObserver } from './observer.ts'

/** Whether the group counts an instance in, and how long its rebalances take: told by what the group calls. */
export class Membership {
  readonly #clock: Clock
  readonly #observer: RuntimeObserver
  #isMember = false
  #rebalance: { readonly reason: RebalanceReason; readonly since: number } | undefined

  constructor(clock: Clock, observer: RuntimeObserver) {
    this.#clock = clock
    this.#observer = observer
  }

  /** From the first assignment until the group goes on without us: also while it rebalances. */
  get isMember(): boolean {
    return this.#isMember
  }

  /** The listener of a member that is about to join. */
  around(listener: GroupListener): GroupListener {
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
        listener.records(partition, batch)
      },
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
