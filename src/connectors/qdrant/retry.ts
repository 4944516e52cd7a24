import { type Clock, delay } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import type { Answer, NetworkFailure } from './connection.ts'

const firstDelayMs = 100
const longestDelayMs = 30_000
/** The server's limits are per minute: it never has a reason to ask for more. */
const longestRetryAfterMs = 60_000

/** What an error of `errorOf` knows, in its `details`. */
export interface Refusal {
  readonly status: number
  readonly retryAfterMs?: number
}

/**
 * What an answer that is no success means.
 *
 * INDEX_UNREACHABLE and INDEX_FULL pass by themselves, INDEX_REJECTED is about what was sent, everything else is fatal. Whether a 404
 * means the collection or a point is for the caller to find out.
 */
export function errorOf({ status, text, headers }: Answer, nowMs: number): StreamError {
  const said = `${status}: ${messageOf(text)}`
  const retryAfterMs = retryAfter(headers.get('retry-after'), nowMs)
  const details = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) } satisfies Refusal
  if (status === 507 || isQuota(said)) return new StreamError('INDEX_FULL', `Qdrant has no room (${said})`, { details })
  if (status === 401 || status === 403)
    return new StreamError('INDEX_DENIED', `Qdrant refuses access (${said})`, { details })
  if (status === 408 || status === 429 || status >= 500) {
    return new StreamError('INDEX_UNREACHABLE', `Qdrant cannot take the request now (${said})`, {
      details,
      fix: 'Nothing to do if it passes: requests are repeated.',
    })
  }
  if (isOtherSchema(said)) {
    return new StreamError('INDEX_MISMATCH', `the collection was replaced by one of another kind (${said})`, {
      details,
    })
  }
  if ([400, 404, 413, 422].includes(status)) {
    return new StreamError('INDEX_REJECTED', `Qdrant refuses the request (${said})`, { details })
  }
  return new StreamError('CONFIG_INVALID', `the server does not answer like Qdrant (${said})`, {
    details,
    fix: 'Give the URL of Qdrant itself, not of a page or a redirect.',
  })
}

/** Limits on the size of a collection are answered with 400, but no document is to blame. */
const isQuota = (said: string) => /Max .+ limit of .+ reached/.test(said)

/** Vectors are checked before they are sent: the collection is not the one that was opened. */
const isOtherSchema = (said: string) => /Vector dimension error|Not existing vector name/.test(said)

const longestMessage = 500

/** The error text of Qdrant's frame, or the beginning of whatever else came. */
function messageOf(text: string): string {
  const frame = parsed(text)
  const status = typeof frame === 'object' && frame !== null && 'status' in frame ? frame.status : undefined
  const error = typeof status === 'object' && status !== null && 'error' in status ? status.error : undefined
  return (typeof error === 'string' ? error : text).slice(0, longestMessage) || 'no text'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Seconds or a date, as RFC 9110 has it. */
function retryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  const waitMs = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(waitMs) ? undefined : Math.min(longestRetryAfterMs, Math.max(0, waitMs))
}

export interface BackoffOptions {
  readonly clock: Clock
  readonly logger?: Logger
  /** From 0 to 1; default `Math.random`. */
  readonly random?: () => number
}

/** Waits between attempts: 100 ms to 30 s with full jitter, never less than the server asks for. */
export class Backoff {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #random: () => number
  #failures = 0

  constructor({ clock, logger = silentLogger, random = Math.random }: BackoffOptions) {
    this.#clock = clock
    this.#logger = logger
    this.#random = random
  }

  get failures(): number {
    return this.#failures
  }

  /** An attempt went well. */
  reset(): void {
    if (this.#failures > 1) this.#logger.info({ failures: this.#failures }, 'Qdrant answers again')
    this.#failures = 0
  }

  /** Waits for the next attempt; rejects with the signal's reason. */
  async wait(error: StreamError, signal?: AbortSignal): Promise<void> {
    const { isReset = false, retryAfterMs = 0 }: Partial<NetworkFailure & Refusal> = error.details
    this.#failures++
    // The server closes idle connections: the first request after a pause can meet one that is going away.
    if (isReset && this.#failures === 1) return signal?.throwIfAborted()
    const jitterMs = this.#random() * Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#failures - 1))
    const delayMs = Math.max(jitterMs, retryAfterMs)
    this.#logger.warn({ delayMs: Math.round(delayMs), error: error.message }, 'Qdrant is asked again after a pause')
    await delay(this.#clock, delayMs, signal)
  }
}

export interface RetryOptions {
  readonly backoff: Backoff
  /** Ends the attempts; without it there are only a few. */
  readonly signal?: AbortSignal | undefined
}

/** A person or a starting process waits for the answer. */
const attemptsWithoutSignal = 5

/** Repeats `action` while it fails with an error that passes. */
export async function retrying<T>(action: () => Promise<T>, { backoff, signal }: RetryOptions): Promise<T> {
  while (true) {
    try {
      return await action()
    } catch (error) {
      const isLast = signal === undefined && backoff.failures + 1 >= attemptsWithoutSignal
      if (!isStreamError(error) || error.reaction !== 'retry' || isLast) throw error
      await backoff.wait(error, signal)
    }
  }
}
