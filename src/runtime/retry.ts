import { type Clock, delay } from '../clock.ts'
import { isStreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'

export interface RetryOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Ends the attempts: the last error is thrown. */
  readonly signal: AbortSignal
  /** For the log: what is being tried. */
  readonly what: string
}

const firstDelayMs = 100
const longestDelayMs = 10_000

/** Repeats `action` while it fails with a `retry` error, with full jitter; anything else is thrown at once. */
export async function retrying<T>(action: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await action()
    } catch (error) {
      if (!isStreamError(error) || error.reaction !== 'retry' || options.signal.aborted) throw error
      const delayMs = Math.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** attempt)
      options.logger.warn(
        { attempt, delayMs: Math.round(delayMs), error: error.message },
        `${options.what} failed; it is tried again`,
      )
      try {
        await delay(options.clock, delayMs, options.signal)
      } catch {
        throw error
      }
    }
  }
}
