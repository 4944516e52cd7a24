import type { Cancel, Clock } from '../../clock.ts'
import type { StreamError } from '../../errors.ts'
import type { StreamRecord } from '../../record.ts'
import type { InFlight } from './in-flight.ts'
import { Pass, type Waiting } from './pass.ts'

export interface GateOptions {
  /** A waiting record may be replaced by a newer one of its key. */
  readonly coalesces: boolean
  readonly clock: Clock
  /** Starts the work of a record that went through. */
  readonly enter: (pass: Pass) => void
  /** Everything that a pass caused is settled; ends it in one of two ways. */
  readonly settle: (pass: Pass, end: PassEnd) => void
}

export interface PassEnd {
  /** The record is done: the next one of its key may pass. */
  done(): void
  /** The record passes again after a while; its key stays taken. */
  again(): void
}

const firstRetryMs = 100
const longestRetryMs = 30_000

/**
 * Lets at most one record of a key through at a time; later ones wait in order. Different keys do not wait for each other, so a
 * delete never stands behind somebody else's embedding. What is here is bounded by the task's bounds on records in flight.
 *
 * Inside the recovery window a gate that coalesces holds records back until `release`: of the versions that are replayed only the last
 * one passes, which finds in the index what a crashed owner has made of it.
 */
export class Gate {
  readonly #options: GateOptions
  readonly #passes = new Map<string, Pass>()
  readonly #waiting = new Map<string, Waiting[]>()
  /** Keys that wait for `release`, and have no pass. */
  readonly #held = new Set<string>()
  readonly #ready: Waiting[] = []
  readonly #retries = new Set<Cancel>()
  #draining = false
  #aborted = false

  constructor(options: GateOptions) {
    this.#options = options
  }

  offer(record: StreamRecord<unknown, unknown>, inFlight: InFlight): void {
    inFlight.hold()
    const waiting: Waiting = {
      key: gateKey(record.key),
      record,
      inFlight,
      recovering: inFlight.recovering,
      attempts: 0,
    }
    if (this.#options.coalesces && waiting.recovering && !this.#passes.has(waiting.key)) this.#held.add(waiting.key)
    if (this.#passes.has(waiting.key) || this.#held.has(waiting.key)) this.#enqueue(waiting)
    else this.#start(waiting)
  }

  /** Lets through what was held back for later versions. */
  release(): void {
    for (const key of this.#held) {
      const next = this.#nextOf(key)
      if (next) this.#ready.push(next)
    }
    this.#held.clear()
    this.#drain()
  }

  /** Drops what waits, as if it had never been taken: the generations of those records will not complete. */
  dropWaiting(): void {
    this.#waiting.clear()
    this.#held.clear()
    for (const cancel of this.#retries) cancel()
    this.#retries.clear()
  }

  /** Ends the task of everything that is beyond the gate, and lets nothing through any more. */
  abort(reason: StreamError): void {
    this.#aborted = true
    this.dropWaiting()
    for (const pass of this.#passes.values()) pass.abort(reason)
  }

  #enqueue(waiting: Waiting): void {
    const queue = this.#waiting.get(waiting.key)
    if (!queue) this.#waiting.set(waiting.key, [waiting])
    else if (this.#options.coalesces) this.#replaceLast(queue, waiting)
    else queue.push(waiting)
  }

  /** The replaced version is done without effect; its window mark goes over to the version that replaces it. */
  #replaceLast(queue: Waiting[], waiting: Waiting): void {
    const replaced = queue.pop()
    queue.push({ ...waiting, recovering: waiting.recovering || replaced?.recovering === true })
    replaced?.inFlight.release()
  }

  #start(waiting: Waiting): void {
    const pass = new Pass(waiting, (finished) =>
      this.#options.settle(finished, {
        done: () => this.#leave(finished),
        again: () => this.#retry(waiting),
      }),
    )
    this.#passes.set(pass.key, pass)
    this.#options.enter(pass)
    pass.release()
  }

  /** Full jitter, so that the records of a failing target do not come back all at once. */
  #retry(waiting: Waiting): void {
    if (this.#aborted) return
    const ceiling = Math.min(longestRetryMs, firstRetryMs * 2 ** waiting.attempts)
    const cancel = this.#options.clock.after(Math.random() * ceiling, () => {
      this.#retries.delete(cancel)
      this.#ready.push({ ...waiting, attempts: waiting.attempts + 1 })
      this.#drain()
    })
    this.#retries.add(cancel)
  }

  /** The key stays taken until the next record of it starts, so that nobody overtakes. */
  #leave(pass: Pass): void {
    const next = this.#nextOf(pass.key)
    if (next) this.#ready.push(next)
    else this.#passes.delete(pass.key)
    pass.inFlight.release()
    this.#drain()
  }

  #nextOf(key: string): Waiting | undefined {
    const queue = this.#waiting.get(key)
    const next = queue?.shift()
    if (queue?.length === 0) this.#waiting.delete(key)
    return next
  }

  /** A loop, not recursion: a thousand versions of one key may finish without ever waiting. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    for (let next = this.#ready.shift(); next; next = this.#ready.shift()) this.#start(next)
    this.#draining = false
  }
}

/** Equal keys give equal strings. */
function gateKey(key: unknown): string {
  if (typeof key === 'string') return key
  if (key instanceof Uint8Array) return Buffer.from(key).toString('latin1')
  return JSON.stringify(key) ?? String(key)
}
