import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { DocumentKey, IndexOp } from '../../model.ts'
import type { StreamRecord } from '../../record.ts'
import { requireShape } from '../../shapes.ts'
import type { SinkWriter } from '../../topology/processor.ts'
import type { Delivery, DeliverySignals, Owner, Parcel } from './delivery.ts'
import { bySafety, bytesOf, type ChangeRules, changesOf, type PointChange } from './operations.ts'

export interface WriterOptions {
  readonly delivery: Delivery
  readonly rules: ChangeRules
  readonly limits: RequestLimits
  readonly clock: Clock
  /** Names the index in errors. */
  readonly name: string
  readonly onClose: () => void
}

/** A request is closed when either is reached; a single change may be larger. */
export interface RequestLimits {
  readonly points: number
  readonly bytes: number
}

/** How long closing waits for the answer to what is on its way. */
const closeTimeoutMs = 5_000

/**
 * The writer of one task. At most one request is on its way; meanwhile the next one collects. The gate of the task bounds what waits.
 * A change over which the server fails is tried again beside the others.
 */
export class QdrantWriter implements SinkWriter<DocumentKey, readonly IndexOp[]> {
  readonly #options: WriterOptions
  readonly #cancel = new AbortController()
  readonly #closing = new AbortController()
  #queue: Write[] = []
  #flight: Flight | undefined
  /** Single changes over which the server fails. */
  readonly #failing = new Map<Flight, Promise<void>>()
  #draining: Promise<void> | undefined

  constructor(options: WriterOptions) {
    this.#options = options
  }

  async write({ value }: StreamRecord<DocumentKey, readonly IndexOp[]>, signal: AbortSignal): Promise<void> {
    this.#closing.signal.throwIfAborted()
    signal.throwIfAborted()
    requireShape(`the index ${this.#options.name}`, value, 'operations of an index')
    const changes = changesOf(value ?? [], this.#options.rules)
    if (changes.length === 0) return
    const write = new Write(changes)
    const giveUp = () => this.#drop(write, signal.reason)
    signal.addEventListener('abort', giveUp)
    this.#queue.push(write)
    this.#draining ??= this.#drain()
    try {
      await write.settled
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** Nothing waits for company: what is not on its way waits for an answer. */
  flush(): void {}

  /** Lets the request on its way finish, without repeating it, and rejects everything else with INDEX_CLOSED. */
  async close(): Promise<void> {
    const closed = new StreamError('INDEX_CLOSED', `the index ${this.#options.name} is not open`)
    this.#closing.abort(closed)
    for (const write of this.#queue.splice(0)) write.reject(closed)
    for (const flight of this.#flights) flight.stop(closed)
    const cancel = this.#options.clock.after(closeTimeoutMs, () => this.#cancel.abort(closed))
    await this.#draining
    await Promise.all(this.#failing.values())
    cancel()
    this.#options.onClose()
  }

  #drop(write: Write, reason: unknown): void {
    write.reject(reason)
    this.#queue = this.#queue.filter((other) => other !== write)
    for (const flight of this.#flights) if (flight.isPointless) flight.stop(reason)
  }

  get #flights(): readonly Flight[] {
    return [...(this.#flight ? [this.#flight] : []), ...this.#failing.keys()]
  }

  async #drain(): Promise<void> {
    // Records that are written in the same turn share the first request.
    await nextTurn()
    for (let batch = this.#takeBatch(); batch.length > 0; batch = this.#takeBatch()) await this.#fly(new Flight(batch))
    this.#draining = undefined
  }

  async #fly(flight: Flight): Promise<void> {
    this.#flight = flight
    try {
      const failing = await this.#options.delivery.deliver(flight.parcels, this.#signalsOf(flight))
      for (const parcel of failing) this.#flyAside(new Flight([parcel]), parcel)
    } catch (error) {
      flight.reject(error)
    }
    this.#flight = undefined
  }

  #flyAside(flight: Flight, parcel: Parcel): void {
    const done = this.#options.delivery
      .insist(parcel, this.#signalsOf(flight))
      .catch((error: unknown) => flight.reject(error))
      .finally(() => this.#failing.delete(flight))
    this.#failing.set(flight, done)
    if (this.#closing.signal.aborted) flight.stop(this.#closing.signal.reason)
  }

  #signalsOf(flight: Flight): DeliverySignals {
    return { stop: flight.stopped, cancel: this.#cancel.signal }
  }

  /** The longest beginning of the queue that fits into a request. No point is in it twice: its changes have an order. */
  #takeBatch(): readonly Parcel[] {
    const { limits } = this.#options
    const taken = new Map<string, Parcel>()
    let bytes = 0
    for (let write = this.#queue[0]; write; write = this.#queue[0]) {
      for (let change = write.next; change; change = write.next) {
        bytes += bytesOf(change)
        const isFull = taken.size >= limits.points || bytes > limits.bytes || taken.has(change.id)
        if (isFull && taken.size > 0) return inOrder(taken)
        taken.set(change.id, { change, owner: write })
        write.take()
      }
      this.#queue.shift()
    }
    return inOrder(taken)
  }
}

const inOrder = (taken: ReadonlyMap<string, Parcel>) => [...taken.values()].sort((a, b) => bySafety(a.change, b.change))

/** One record: settled when all of its changes are confirmed, or when one of them cannot be. */
class Write implements Owner {
  readonly settled: Promise<void>
  readonly #changes: readonly PointChange[]
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void }
  #taken = 0
  #confirmed = 0
  #isSettled = false

  constructor(changes: readonly PointChange[]) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.settled = promise
    this.#settle = { resolve, reject }
    this.#changes = changes
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** The first change that no request has taken yet. */
  get next(): PointChange | undefined {
    return this.#isSettled ? undefined : this.#changes[this.#taken]
  }

  take(): void {
    this.#taken++
  }

  confirm(): void {
    this.#confirmed++
    if (this.#confirmed < this.#changes.length) return
    this.#isSettled = true
    this.#settle.resolve()
  }

  reject(error: unknown): void {
    this.#isSettled = true
    this.#settle.reject(error)
  }
}

/** A batch that is on its way, attempts included. */
class Flight {
  readonly parcels: readonly Parcel[]
  readonly #stop = new AbortController()

  constructor(batch: readonly Parcel[]) {
    this.parcels = batch
  }

  get stopped(): AbortSignal {
    return this.#stop.signal
  }

  /** Nobody waits for the outcome any more. */
  get isPointless(): boolean {
    return this.parcels.every(({ owner }) => owner.isSettled)
  }

  stop(reason: unknown): void {
    this.#stop.abort(reason)
  }

  reject(error: unknown): void {
    for (const { owner } of this.parcels) owner.reject(error)
  }
}
