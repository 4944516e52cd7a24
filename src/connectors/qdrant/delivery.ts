import { randomUUID } from 'node:crypto'
import type { Backoff } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError, toStreamError } from '../../errors.ts'
import type { IndexStats, Lease } from '../../topology/processor.ts'
import { type Client, collectionGone, collectionPath, resultOf, statusOf } from './client.ts'
import { type Batch, batchOf, type PointChange } from './operations.ts'
import type { Refusal } from './retry.ts'

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

export type Counts = { -readonly [Name in keyof IndexStats]-?: number }

export interface DeliverySignals {
  /** No more attempts. */
  readonly stop: AbortSignal
  /** Not even an answer to the attempt that is on its way. */
  readonly cancel: AbortSignal
}

export interface DeliveryOptions {
  readonly client: Client
  readonly collection: string
  readonly counts: Counts
  readonly clock: Clock
  /** Without one requests may always be sent. */
  readonly lease: Lease | undefined
  /** How long a change is tried that alone makes the server fail. */
  readonly failureDeadlineMs: number
  /** Fences what is sent. */
  readonly epoch: number | undefined
}

/** Changes that are sent together, and how often in a row the server has failed over them. */
interface Group {
  readonly parcels: readonly Parcel[]
  readonly failures: number
}

/** A server that has just started may fail once or twice. */
const failuresOfOutage = 3

/** Brings batches of changes to a collection, and finds out which change is at fault when the server refuses a batch, or fails over it. */
export class Delivery {
  readonly #client: Client
  readonly #collection: string
  readonly #counts: Counts
  readonly #clock: Clock
  readonly #lease: Lease | undefined
  readonly #failureDeadlineMs: number
  readonly #epoch: number | undefined
  readonly #backoff: Backoff

  constructor({ client, collection, counts, clock, lease, failureDeadlineMs, epoch }: DeliveryOptions) {
    this.#client = client
    this.#collection = collection
    this.#counts = counts
    this.#clock = clock
    this.#lease = lease
    this.#failureDeadlineMs = failureDeadlineMs
    this.#epoch = epoch
    this.#backoff = client.backoff()
  }

  /**
   * Ends when every owner is settled or has these changes confirmed; gives back the changes over which the server fails, each by itself,
   * while it takes others: for `insist`, so that nothing waits for them. Repeats what failed for a reason that passes: a batch without
   * an answer may have been applied in part, and every change may be applied again. Throws the reason of `stop`, and fatal errors.
   */
  async deliver(parcels: readonly Parcel[], signals: DeliverySignals): Promise<readonly Parcel[]> {
    const failing: Parcel[] = []
    const groups: Group[] = [{ parcels, failures: 0 }]
    for (let group = groups.shift(); group; group = groups.shift()) {
      const live = group.parcels.filter(({ owner }) => !owner.isSettled)
      if (live.length === 0) continue
      if (live.length === 1 && group.failures >= failuresOfOutage) failing.push(...live)
      else groups.unshift(...(await this.#attempt({ ...group, parcels: live }, signals)))
    }
    return failing
  }

  /** Tries a change until it is done, its owner is settled, or the deadline has passed while the server took others: INDEX_REJECTED. */
  async insist(parcel: Parcel, { stop, cancel }: DeliverySignals): Promise<void> {
    const deadline = this.#clock.now() + this.#failureDeadlineMs
    const backoff = this.#client.backoff()
    while (!parcel.owner.isSettled) {
      stop.throwIfAborted()
      // Asked before: one that fails afterwards is at fault also if the server has only just come back.
      const isLast = this.#clock.now() >= deadline && (await this.#takesOthers(cancel))
      try {
        await this.#send([parcel], cancel)
        return this.#confirm([parcel])
      } catch (cause) {
        const error = toStreamError(cause, 'ILLEGAL_STATE', 'a change could not be sent')
        if (error.reaction !== 'retry') return await this.#refuse([parcel], error, stop)
        if (isLast && isFailure(error)) return parcel.owner.reject(poison(parcel.change, error))
        await backoff.wait(error, stop)
      }
    }
  }

  /** Sends one group; gives back the groups that are still to be sent. */
  async #attempt(group: Group, signals: DeliverySignals): Promise<readonly Group[]> {
    const { parcels } = group
    signals.stop.throwIfAborted()
    try {
      await this.#send(parcels, signals.cancel)
      this.#backoff.reset()
      this.#confirm(parcels)
      return []
    } catch (cause) {
      const error = toStreamError(cause, 'ILLEGAL_STATE', 'the batch could not be sent')
      if (error.reaction === 'retry') return this.#repeat(group, error, signals)
      await this.#refuse(parcels, error, signals.stop)
      return parcels.length > 1 ? halves(parcels) : []
    }
  }

  async #send(parcels: readonly Parcel[], signal: AbortSignal): Promise<void> {
    const changes = parcels.map(({ change }) => change)
    await this.#post(batchOf(changes, this.#epoch), signal)
  }

  async #post(batch: Batch, signal: AbortSignal): Promise<void> {
    if (this.#lease?.held === false) throw leaseEnded()
    this.#counts.writeRequests++
    try {
      await this.#apply(batch, signal)
    } catch (error) {
      if (isStreamError(error) && error.reaction === 'retry') this.#counts.failedRequests++
      throw error
    }
  }

  async #apply({ body, operations }: Batch, signal: AbortSignal): Promise<void> {
    const path = `${collectionPath(this.#collection)}/points/batch?wait=true&ordering=medium`
    const answer = await this.#client.once('POST', path, { body, signal })
    const results = resultOf<readonly { readonly status: string }[]>(answer)
    const open = results.find(({ status }) => status !== 'completed')
    if (results.length === operations && !open) return
    throw new StreamError('INDEX_UNREACHABLE', `Qdrant has not applied a batch yet (${open?.status ?? 'no status'})`, {
      fix: 'Nothing to do if it passes: the batch is sent again.',
    })
  }

  #confirm(parcels: readonly Parcel[]): void {
    for (const { change, owner } of parcels) {
      this.#counts[counters[change.kind]]++
      owner.confirm()
    }
  }

  /** What failed for a reason that passes is sent again as it is, unless something in it looks like the reason. */
  async #repeat({ parcels, failures }: Group, error: StreamError, signals: DeliverySignals): Promise<readonly Group[]> {
    if (parcels.length > 1 && isTooLarge(error)) return halves(parcels)
    const again = { parcels, failures: isFailure(error) ? failures + 1 : 0 }
    if (again.failures >= failuresOfOutage) {
      // Each half is to show once more that it is at fault.
      if (await this.#takesOthers(signals.cancel))
        return parcels.length > 1 ? halves(parcels, failuresOfOutage - 1) : [again]
      again.failures = 0
    }
    await this.#backoff.wait(error, signals.stop)
    return [again]
  }

  /** Rejects the owner of a single change that the server refuses. Throws errors that no record is to blame for. */
  async #refuse(parcels: readonly Parcel[], error: StreamError, stop: AbortSignal): Promise<void> {
    if (error.code !== 'INDEX_REJECTED') throw error
    this.#backoff.reset()
    if (statusOf(error) === 404 && !(await this.#exists(stop))) {
      throw collectionGone(this.#collection, this.#client.address)
    }
    const [first, second] = parcels
    if (first && !second) first.owner.reject(poison(first.change, error))
  }

  /** Whether the server applies a change that nobody is interested in: then the failure is not one of everything. */
  async #takesOthers(signal: AbortSignal): Promise<boolean> {
    try {
      const body = batchOf([{ kind: 'delete', id: randomUUID() }])
      await this.#post(body, signal)
      return true
    } catch (error) {
      signal.throwIfAborted()
      return isStreamError(error) && error.reaction !== 'retry'
    }
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

/** An answer about a failure inside of the server. A gateway that answers (502, 504) and overload (503) tell nothing of what was sent. */
function isFailure(error: StreamError): boolean {
  const status = statusOf(error) ?? 0
  return error.code === 'INDEX_UNREACHABLE' && status >= 500 && ![502, 503, 504].includes(status)
}

function halves(parcels: readonly Parcel[], failures = 0): readonly Group[] {
  const middle = parcels.length >> 1
  return [
    { parcels: parcels.slice(0, middle), failures },
    { parcels: parcels.slice(middle), failures },
  ]
}

/** A successor may look at the index by now: nothing may change it any more until the group has answered again. */
function leaseEnded(): StreamError {
  return new StreamError(
    'INDEX_UNREACHABLE',
    'the group has not answered for so long that the partition may have another owner',
    {
      fix: 'Nothing to do: the batch waits for the next heartbeat, or is dropped with the partition.',
    },
  )
}

/** The server stops at the change that it refuses, and may have applied others of the record. */
function poison({ id, kind }: PointChange, cause: StreamError): StreamError {
  const details = { ...cause.details, point: id }
  if (kind === 'set-payload' && statusOf(cause) === 404)
    return new StreamError('INDEX_DRIFTED', `the index has lost point ${id}`, { cause, details })
  const verb = isFailure(cause) ? 'fails over' : 'refuses'
  return new StreamError('INDEX_REJECTED', `Qdrant ${verb} point ${id}: ${cause.fact}`, {
    cause,
    fix: 'Look at the named point. The document is dirty: it may have been written in part.',
    details,
  })
}
