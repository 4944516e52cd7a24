/** What a test makes go wrong. Faults wait in line; each request takes the first that concerns it. */

export type Fault =
  /** Answered before anything is done. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly error?: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** The connection breaks: before anything is done, or when everything is. */
  | { readonly kind: 'reset'; readonly when: 'before' | 'after' }
  /** Only the first operations of a batch are done, then 500. */
  | { readonly kind: 'partial'; readonly operations: number }
  /** A batch is answered so at once, and applied when `release` is called. */
  | { readonly kind: 'wait-timeout' }
  | { readonly kind: 'acknowledged' }
  /** The answer is held back until `release` is called. */
  | { readonly kind: 'hold' }
  /** The request is done later, also when its client has gone; or it is done at once and the answer comes later. */
  | { readonly kind: 'delay'; readonly when: 'before' | 'after'; readonly ms: number }

export interface FaultOptions {
  /** How many requests it hits; default 1. */
  readonly times?: number
  /** Method and path that it concerns; default: batches of updates. */
  readonly at?: RegExp
  /** What the body of such a request contains. */
  readonly body?: string
}

interface Waiting {
  readonly fault: Fault
  readonly at: RegExp
  readonly body: string
  left: number
}

export const batchRoute = /^POST \/collections\/[^/]+\/points\/batch/

export class Faults {
  #waiting: Waiting[] = []
  #batch: Fault | undefined
  #postponed: (() => void)[] = []

  add(fault: Fault, { times = 1, at = batchRoute, body = '' }: FaultOptions = {}): void {
    this.#waiting.push({ fault, at, body, left: times })
  }

  clear(): void {
    this.#waiting = []
  }

  /** Requests that a fault has not hit yet. */
  get left(): number {
    return this.#waiting.reduce((sum, { left }) => sum + left, 0)
  }

  take(methodAndPath: string, sent: string): Fault | undefined {
    const waiting = this.#waiting.find(
      ({ at, body, left }) => left > 0 && at.test(methodAndPath) && sent.includes(body),
    )
    if (!waiting) return undefined
    waiting.left--
    return waiting.fault
  }

  /** The fault for the batch that is about to run. */
  enter(fault: Fault | undefined): void {
    this.#batch = fault
  }

  ofBatch(): Fault | undefined {
    const fault = this.#batch
    this.#batch = undefined
    return fault
  }

  postpone(action: () => void): void {
    this.#postponed.push(action)
  }

  /** Does what was postponed. */
  release(): void {
    for (const action of this.#postponed.splice(0)) action()
  }
}
