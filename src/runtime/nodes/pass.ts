import { type StreamError, toStreamError } from '../../errors.ts'
import type { StreamRecord } from '../../record.ts'
import type { InFlight, Visit } from './in-flight.ts'

/** One record beyond the gate, with everything it causes there. At most one pass exists for a key of a gate. */
export class Pass {
  readonly key: string
  readonly record: StreamRecord<unknown, unknown>
  readonly inFlight: InFlight
  /** Inside the recovery window; inherited from a waiting record that this one replaced. */
  readonly recovering: boolean
  readonly visits: Visit[] = []
  readonly #finished: (pass: Pass) => void
  #controller: AbortController | undefined
  #settled: PromiseWithResolvers<void> | undefined
  #pending = 1
  #failure: PassFailure | undefined

  constructor(waiting: Waiting, finished: (pass: Pass) => void) {
    this.key = waiting.key
    this.record = waiting.record
    this.inFlight = waiting.inFlight
    this.recovering = waiting.recovering
    this.#finished = finished
  }

  /** Why the record has to be given up; the first failure counts. */
  get failure(): PassFailure | undefined {
    return this.#failure
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  /** Resolves when the pass is over. */
  get settled(): Promise<void> {
    this.#settled ??= Promise.withResolvers()
    return this.#settled.promise
  }

  /** Tells everything that works for this record to stop. */
  abort(error: StreamError): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(error)
  }

  fail(node: string, error: unknown): void {
    this.#failure ??= { node, error: toStreamError(error, 'RECORD_FAILED', `node "${node}" failed`) }
  }

  /** Waits for one more result before the pass is over. */
  follow(node: string, work: Promise<void>): void {
    this.#pending++
    work.then(
      () => this.release(),
      (error: unknown) => {
        this.fail(node, error)
        this.release()
      },
    )
  }

  release(): void {
    this.#pending--
    if (this.#pending > 0) return
    this.#settled?.resolve()
    this.#finished(this)
  }
}

export interface PassFailure {
  readonly node: string
  readonly error: StreamError
}

/** A record that stands before the gate. */
export interface Waiting {
  readonly key: string
  readonly record: StreamRecord<unknown, unknown>
  readonly inFlight: InFlight
  readonly recovering: boolean
  /** How often it has passed in vain. */
  readonly attempts: number
}
