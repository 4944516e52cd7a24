import { StreamError, toStreamError } from '../../errors.ts'
import type { IndexStats } from '../../topology/processor.ts'
import { type Client, collectionGone, collectionPath, resultOf, statusOf } from './client.ts'
import { batchOf, type PointChange } from './operations.ts'
import type { Backoff, Refusal } from './retry.ts'

/** A change and whom to tell about it. */
export interface Parcel {
  readonly change: PointChange
  readonly owner: Owner
}

/** The record that a change belongs to. */
export interface Owner {
  /** Its outcome is known: its other changes need not be sent. */
  readonly isSettled: boolean
  /** One change is durable. */
  confirm(): void
  reject(error: unknown): void
}

export type Counts = { -readonly [Name in keyof IndexStats]: number }

export interface DeliverySignals {
  /** No more attempts. */
  readonly stop: AbortSignal
  /** Not even an answer to the attempt that is on its way. */
  readonly cancel: AbortSignal
}

/** Brings batches of changes to a collection, and finds out which change is at fault when the server refuses a batch. */
export class Delivery {
  readonly #client: Client
  readonly #collection: string
  readonly #counts: Counts
  readonly #backoff: Backoff

  constructor(client: Client, collection: string, counts: Counts) {
    this.#client = client
    this.#collection = collection
    this.#counts = counts
    this.#backoff = client.backoff()
  }

  /**
   * Ends when every owner is settled or has these changes confirmed. Repeats what failed for a reason that passes: a batch without an
   * answer may have been applied in part, and every change may be applied again. Throws the reason of `stop`, and fatal errors.
   */
  async deliver(parcels: readonly Parcel[], signals: DeliverySignals): Promise<void> {
    const groups = [parcels]
    for (let group = groups.shift(); group; group = groups.shift()) {
      const live = group.filter(({ owner }) => !owner.isSettled)
      if (live.length > 0) groups.unshift(...(await this.#attempt(live, signals)))
    }
  }

  /** Sends one group; gives back the groups that are still to be sent. */
  async #attempt(group: readonly Parcel[], signals: DeliverySignals): Promise<readonly (readonly Parcel[])[]> {
    signals.stop.throwIfAborted()
    try {
      await this.#send(group, signals.cancel)
      this.#backoff.reset()
      this.#confirm(group)
      return []
    } catch (cause) {
      return this.#recover(group, toStreamError(cause, 'ILLEGAL_STATE', 'the batch could not be sent'), signals.stop)
    }
  }

  async #send(group: readonly Parcel[], signal: AbortSignal): Promise<void> {
    const { body, operations } = batchOf(group.map(({ change }) => change))
    this.#counts.writeRequests++
    const path = `${collectionPath(this.#collection)}/points/batch?wait=true&ordering=medium`
    const answer = await this.#client.once('POST', path, { body, signal })
    const results = resultOf<readonly { readonly status: string }[]>(answer)
    const open = results.find(({ status }) => status !== 'completed')
    if (results.length === operations && !open) return
    throw new StreamError('INDEX_UNREACHABLE', `Qdrant has not applied a batch yet (${open?.status ?? 'no status'})`, {
      fix: 'Nothing to do if it passes: the batch is sent again.',
    })
  }

  #confirm(group: readonly Parcel[]): void {
    for (const { change, owner } of group) {
      this.#counts[counters[change.kind]]++
      owner.confirm()
    }
  }

  async #recover(
    group: readonly Parcel[],
    error: StreamError,
    stop: AbortSignal,
  ): Promise<readonly (readonly Parcel[])[]> {
    const [first, second] = group
    if (error.reaction === 'retry') {
      if (second && isTooLarge(error)) return halves(group)
      await this.#backoff.wait(error, stop)
      return [group]
    }
    if (error.code !== 'INDEX_REJECTED') throw error
    this.#backoff.reset()
    if (statusOf(error) === 404 && !(await this.#exists(stop))) {
      throw collectionGone(this.#collection, this.#client.address)
    }
    if (second) return halves(group)
    if (first) first.owner.reject(poison(first.change, error))
    return []
  }

  async #exists(signal: AbortSignal): Promise<boolean> {
    const path = `${collectionPath(this.#collection)}/exists`
    const { exists } = await this.#client.ask<{ exists: boolean }>('GET', path, { signal })
    return exists
  }
}

const counters = { upsert: 'pointsWritten', 'set-payload': 'payloadsWritten', delete: 'pointsDeleted' } as const

/** More than the rate limiter can ever grant in one request: the server names no time after which it would. */
function isTooLarge(error: StreamError): boolean {
  const { status, retryAfterMs }: Partial<Refusal> = error.details
  return status === 429 && retryAfterMs === undefined
}

function halves<T>(group: readonly T[]): readonly (readonly T[])[] {
  const middle = group.length >> 1
  return [group.slice(0, middle), group.slice(middle)]
}

/** The server stops at the change that it refuses, and may have applied others of the record. */
function poison({ id, kind }: PointChange, cause: StreamError): StreamError {
  const isMissing = kind === 'set-payload' && statusOf(cause) === 404
  const fact = isMissing
    ? `the index has no point ${id} whose payload could be set`
    : `Qdrant refuses point ${id}: ${cause.fact}`
  return new StreamError('INDEX_REJECTED', fact, {
    cause,
    fix: isMissing
      ? 'The document is dirty: what the index holds of it is read before its next version is written.'
      : 'Look at the named point. The document is dirty: it may have been written in part.',
    details: { ...cause.details, point: id },
  })
}
