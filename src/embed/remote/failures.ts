import { isStreamError, StreamError } from '../../errors.ts'
import { type Answer, retryAfterOf } from '../../http-connection.ts'
import { fieldOf, listOf, parsed, textOf } from './json.ts'

/** Whom an error is about. */
export interface Server {
  /** `TEI at http://10.0.0.7:8080` */
  readonly who: string
  readonly missingModelFix: string
  /** Takes keys out of what the server says. */
  readonly redact: (text: string) => string
}

/** What is known about a failure, in `details` of its error. */
export interface Failure {
  readonly status?: number
  readonly retryAfterMs?: number
  /** Parts of `NetworkFailure`. */
  readonly isReset?: boolean
  readonly isTimeout?: boolean
  /** The server will not take what was sent: sending the same again cannot help. */
  readonly isRefusal?: boolean
  /** What came does not fit what was sent. */
  readonly isMisfit?: boolean
  /** Trying again soon cannot help. */
  readonly isLasting?: boolean
}

export function failureOf(error: unknown): Failure {
  return isStreamError(error) ? error.details : {}
}

/** True while a server has too much to do: it was right not to take the request. */
export function isOverload({ status }: Failure): boolean {
  return status === 429 || status === 503
}

/**
 * The server was there and could not do it, perhaps for the texts that it was given. With a network or a gateway between, nobody knows
 * that.
 */
export function mayBeTheTexts({ status, isTimeout = false, isMisfit = false }: Failure): boolean {
  return isTimeout || isMisfit || status === 500 || status === 424
}

/**
 * What an answer that is no success means: EMBED_DENIED (401, 403), MODEL_MISSING and CONFIG_INVALID (another server than was meant) are
 * for people; EMBED_FAILED with `isRefusal` is about the texts of the request; any other EMBED_FAILED passes.
 */
export function errorOf({ who, redact, missingModelFix }: Server, answer: Answer, nowMs: number): StreamError {
  const { status, text, headers } = answer
  // A server may repeat the key that it does not know.
  if (status === 401 || status === 403)
    return new StreamError('EMBED_DENIED', `${who} refuses access (${status})`, { details: { status } })
  const body = parsed(text)
  const said = `${status}: ${redact(messageOf(text, body))}`
  if (isQuota(status, body))
    return new StreamError('EMBED_FAILED', `${who} has no quota left (${said})`, {
      fix: 'Look at plan and billing; texts are tried again until there is quota.',
      details: { status, isLasting: true } satisfies Failure,
    })
  if (status === 408 || status === 429 || status === 424 || status >= 500) {
    const retryAfterMs = retryAfterMsOf(headers, nowMs)
    const details: Failure = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) }
    return new StreamError('EMBED_FAILED', `${who} cannot embed now (${said})`, { details: { ...details } })
  }
  if (status === 400 || status === 413 || status === 422)
    return new StreamError('EMBED_FAILED', `${who} refuses the request (${said})`, {
      details: { status, isRefusal: true } satisfies Failure,
    })
  return strangerOf(who, { status, said, missingModelFix })
}

interface Strangeness {
  readonly status: number
  readonly said: string
  readonly missingModelFix: string
}

function strangerOf(who: string, { status, said, missingModelFix }: Strangeness): StreamError {
  if (status === 404 && /\bmodel\b/i.test(said))
    return new StreamError('MODEL_MISSING', `${who} has no such model (${said})`, {
      fix: missingModelFix,
      details: { status },
    })
  return new StreamError('CONFIG_INVALID', `${who} does not answer like an embedding server (${said})`, {
    fix: 'Give the URL of the server itself, not of a page or a redirect.',
    details: { status },
  })
}

/** An answer that was promised to be a success and cannot be read: a proxy's page, or half of it. */
export function malformed(what: string): StreamError {
  return new StreamError('EMBED_FAILED', `the answer of the server has no ${what}`, {
    fix: 'See whether the URL is that of the server itself; the texts are tried again.',
  })
}

/** Vectors of another model: whatever texts they are for. */
export function otherSpace(fact: string): StreamError {
  return new StreamError('EMBED_FAILED', fact, { fix: 'Give the server back its model; the texts are tried again.' })
}

/** An answer that does not fit its request: smaller requests will show which text is behind it. */
export function misfit(fact: string): StreamError {
  return new StreamError('EMBED_FAILED', fact, { details: { isMisfit: true } satisfies Failure })
}

const longestMessage = 300

/** The sentence in the error frame of TEI, Ollama, OpenAI, vLLM or FastAPI, or the beginning of whatever else came. */
function messageOf(text: string, body: unknown): string {
  const error = fieldOf(body, 'error')
  const said =
    textOf(body, 'error') ??
    textOf(error, 'message') ??
    textOf(body, 'message') ??
    textOf(body, 'detail') ??
    textOf(listOf(body, 'detail')?.[0], 'msg')
  if (said === undefined && /^\s*</.test(text)) return 'an HTML page'
  return (said ?? text).slice(0, longestMessage).trim() || 'no text'
}

function isQuota(status: number, body: unknown): boolean {
  const error = fieldOf(body, 'error')
  return (
    status === 402 || textOf(error, 'code') === 'insufficient_quota' || textOf(error, 'type') === 'insufficient_quota'
  )
}

/** OpenAI gives milliseconds in a header of its own, besides the one of RFC 9110. */
function retryAfterMsOf(headers: Headers, nowMs: number): number | undefined {
  const given = Number(headers.get('retry-after-ms') ?? Number.NaN)
  return given >= 0 ? Math.min(given, 60_000) : retryAfterOf(headers, nowMs)
}
