import type { Clock } from './clock.ts'
import { type ErrorCode, isStreamError, reasonOf, StreamError } from './errors.ts'
import { type Logger, silentLogger } from './logger.ts'
import { type Fetch, type HttpTlsOptions, tlsFetch } from './tls-fetch.ts'

export interface HttpConnectionOptions {
  /** What the server is, for messages: `Qdrant`. */
  readonly name: string
  readonly url: string
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>
  /** A key among the headers: it must look like one, and does not travel unencrypted to another machine. */
  readonly apiKey?: string | undefined
  /**
   * The header of that name, asked for with every request. It must look like one, and does not travel unencrypted to another machine either.
   */
  readonly authorization?: (() => string) | undefined
  /** For https where the certificates of the system do not do. */
  readonly tls?: HttpTlsOptions | undefined
  /** Hears of certificates in files that change. Default: nobody. */
  readonly logger?: Logger
  readonly clock: Clock
  readonly requestTimeoutMs: number
  /** The error of a request that got no answer. */
  readonly unreachable: ErrorCode
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

export type Method = 'GET' | 'PUT' | 'POST'

/** What kind of network failure it was, in `details` of the error. */
export interface NetworkFailure {
  /** The connection was open and broke. */
  readonly isReset: boolean
  /** Nothing came in time; the server may be at it still. */
  readonly isTimeout: boolean
}

export interface RequestOptions {
  readonly body?: string
  readonly signal?: AbortSignal | undefined
  /** Default: that of the connection. */
  readonly timeoutMs?: number
  /** Bytes of the body. The call throws as soon as there are more. Default: no limit, for answers as long as what was asked for. */
  readonly maxAnswerBytes?: number
}

/** Codes of Node and of its fetch for a connection that broke while it was in use. */
const resets = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** Speaks HTTP with one server. Node's fetch keeps connections for four seconds, which is below the idle limit of servers. */
export class HttpConnection {
  readonly #name: string
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #authorization: (() => string) | undefined
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #unreachableCode: ErrorCode
  readonly #fetch: Fetch

  /** CONFIG_INVALID for an address, key or certificate that can never work, or that would give the key away. */
  constructor(options: HttpConnectionOptions) {
    const { name, url, headers, apiKey, authorization, tls, clock, logger = silentLogger } = options
    const { requestTimeoutMs, unreachable } = options
    this.#name = name
    this.#base = baseOf(name, url)
    if (apiKey !== undefined) checkKey(name, apiKey)
    if (apiKey !== undefined || authorization) checkEncrypted(this.#base)
    this.#headers = headers
    this.#authorization = authorization
    this.#clock = clock
    this.#timeoutMs = requestTimeoutMs
    this.#unreachableCode = unreachable
    if (tls && !this.#base.startsWith('https:'))
      throw invalid(`${name} got certificates, and ${this.#base} is not https`)
    this.#fetch = tls ? tlsFetch({ name, tls, logger, clock }) : fetch
  }

  /** Where the server is, for messages. */
  get address(): string {
    return this.#base
  }

  /** One attempt: the answer, whatever its status, or the error of a server that gives none. */
  async request(method: Method, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { body, signal, timeoutMs = this.#timeoutMs, maxAnswerBytes = Number.POSITIVE_INFINITY } = options
    const timeout = new AbortController()
    const cancel = this.#clock.after(timeoutMs, () =>
      timeout.abort(new Error(`no answer within ${timeoutMs / 1000} s`)),
    )
    try {
      const response = await this.#fetch(`${this.#base}${path}`, {
        method,
        headers: this.#headersFor(body),
        // Following would send the key to another host.
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal,
        ...(body !== undefined && { body }),
      })
      const text = await textOf(response, maxAnswerBytes)
      if (text === undefined) throw this.#tooLong(maxAnswerBytes)
      return { status: response.status, text, headers: response.headers }
    } catch (cause) {
      signal?.throwIfAborted()
      if (isStreamError(cause)) throw cause
      throw this.#unreachable(timeout.signal.aborted ? timeout.signal.reason : cause, timeout.signal.aborted)
    } finally {
      cancel()
    }
  }

  #headersFor(body: string | undefined): Record<string, string> {
    const authorization = this.#authorization?.()
    if (authorization !== undefined) checkKey(this.#name, authorization.replace(/^\w+ /, ''))
    return {
      ...this.#headers,
      ...(authorization !== undefined && { authorization }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
  }

  #tooLong(bytes: number): StreamError {
    const fact = `${this.#name} at ${this.#base} gives a longer answer than any should be: more than ${bytes} bytes`
    return new StreamError(this.#unreachableCode, fact, { fix: 'See whether the URL is that of the server itself.' })
  }

  #unreachable(cause: unknown, isTimeout: boolean): StreamError {
    // fetch only says that it failed; why is in the cause.
    const origin = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const code = origin instanceof Error && 'code' in origin ? String(origin.code) : ''
    const details = { isReset: resets.has(code), isTimeout } satisfies NetworkFailure
    const reason = reasonOf(origin) || code
    return new StreamError(this.#unreachableCode, `${this.#name} at ${this.#base} does not answer (${reason})`, {
      cause,
      details,
    })
  }
}

/** The body of an answer; undefined when it is longer than so many bytes, and was broken off. */
async function textOf(response: Response, maxBytes: number): Promise<string | undefined> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    // Leaving the loop cancels what is to come.
    if (bytes > maxBytes) return undefined
    pieces.push(piece)
  }
  return new TextDecoder().decode(Buffer.concat(pieces))
}

/** The server's limits are per minute: it never has a reason to ask for more. */
const longestRetryAfterMs = 60_000

/** How long a server asks to be left alone: seconds or a date, as RFC 9110 has it; at most a minute. */
export function retryAfterOf(headers: Headers, nowMs: number): number | undefined {
  const header = headers.get('retry-after')
  if (header === null) return undefined
  const waitMs = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(waitMs) ? undefined : Math.min(longestRetryAfterMs, Math.max(0, waitMs))
}

function baseOf(name: string, given: string): string {
  const url = URL.parse(given)
  if (!url || !/^https?:$/.test(url.protocol)) throw invalid(`the URL of ${name} is not an http or https address`)
  const address = `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  if (url.username || url.password || url.search || url.hash) {
    throw invalid(`the URL of ${name} has more than an address: ${address}`, 'Give credentials as `apiKey`.')
  }
  return address
}

function checkKey(name: string, apiKey: string): void {
  if (/^[\x21-\x7e]+$/.test(apiKey)) return
  throw invalid(`the API key of ${name} is empty or has characters that no key has`, 'Look for white space around it.')
}

function checkEncrypted(address: string): void {
  const { protocol, hostname } = new URL(address)
  const isLocal = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  if (protocol === 'http:' && !isLocal) {
    throw invalid(`an API key would travel unencrypted to ${address}`, 'Use https, or a server on this machine.')
  }
}

const invalid = (fact: string, fix?: string) =>
  new StreamError('CONFIG_INVALID', fact, fix === undefined ? {} : { fix })
