import type { Backoff } from '../../backoff.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { type Answer, retryAfterOf } from '../../http-connection.ts'

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
  const retryAfterMs = retryAfterOf(headers, nowMs)
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
