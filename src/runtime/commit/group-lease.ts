import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Lease } from '../../topology/processor.ts'
import type { GroupMember } from '../broker.ts'

export interface GroupLeaseOptions {
  readonly clock: Clock
  /** Undefined until the group is joined. */
  readonly member: () => GroupMember | undefined
  readonly sessionTimeoutMs: number
  /** A group goes on without a member that does not join again within it, however lively the member is. */
  readonly rebalanceTimeoutMs: number
  /** How long after it was sent a request may still take effect. */
  readonly requestTimeoutMs: number
  /** Of the owner, where its sink is fenced. */
  readonly epoch?: number | undefined
}

/**
 * Held while everything that is sent now takes effect before the group can give our partitions to somebody else. An instance that was
 * frozen, or cut off from the group, finds it gone before it sends anything, whether it knows of its removal or not.
 */
export class GroupLease implements Lease {
  readonly #options: GroupLeaseOptions

  constructor(options: GroupLeaseOptions) {
    this.#options = options
  }

  get epoch(): number | undefined {
    return this.#options.epoch
  }

  get held(): boolean {
    const { clock, member, rebalanceTimeoutMs, requestTimeoutMs } = this.#options
    const sessionTimeoutMs = Math.min(this.#options.sessionTimeoutMs, rebalanceTimeoutMs)
    const heartbeatAt = member()?.lastHeartbeatAt
    if (heartbeatAt === undefined) return false
    const age = clock.now() - heartbeatAt
    // A clock that was turned back says nothing; the next heartbeat does.
    return age >= 0 && age < sessionTimeoutMs - requestTimeoutMs
  }
}

/** Throws COMMIT_FAILED, which is tried again: the next heartbeat may bring the lease back, or the group takes the partition away. */
export function requireLease(lease: Lease): void {
  if (lease.held) return
  throw new StreamError(
    'COMMIT_FAILED',
    'the group has not answered for so long that the partition may have another owner',
  )
}
