import { type Clock, delay } from './clock.ts'
import type { StreamError } from './errors.ts'
import { type Logger, silentLogger } from './logger.ts'

const firstDelayMs = 100
const longestDelayMs = 30_000

/** What a wait looks for in the `details` of an error. */
interface Hints {
  readonly isReset?: boolean
  readonly retryAfterMs?: number
}

export interface BackoffOptions {
  /** Who is asked again, for the log. Default `the server`. */
  readonly name?: string
  readonly clock: Clock
  readonly logger?: Logger
  /** From 0 to 1; default `Math.random`. */
  readonly random?: () => number
}

/** Waits between attempts: 100 ms to 30 s with full jitter, never less than the server asks for. */
export class Backoff {
  readonly #name: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #random: () => number
  #failures = 0

  constructor({ name = 'the server', clock, logger = silentLogger, random = Math.random }: BackoffOptions) {
    this.#name = name
    this.#clock = clock
    this.#logger = logger
    this.#random = random
  }

  get failures(): number {
    return this.#failures
  }

  /** An attempt went well. */
  reset(): void {
    if (this.#failures > 1) this.#logger.info({ failures: this.#failures }, `${this.#name} answers again`)
    this.#failures = 0
  }

  /** Waits for the next attempt; rejects with the signal's reason. */
  async wait(error: StreamError, signal?: AbortSignal): Promise<void> {
    const { isReset = false, retryAfterMs = 0 }: Hints = error.details
    this.#failures++
    // The server closes idle connections: the first request after a pause can meet one that is going away.
    if (isReset && this.#failures === 1) return signal?.throwIfAborted()
    const jitterMs = this.#random() * Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#failures - 1))
    const delayMs = Math.max(jitterMs, retryAfterMs)
    this.#logger.warn(
      { delayMs: Math.round(delayMs), error: error.message },
      `${this.#name} is asked again after a pause`,
    )
    await delay(this.#clock, delayMs, signal)
  }
}
