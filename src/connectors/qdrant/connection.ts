import type { Clock } from '../../clock.ts'
import { reasonOf, StreamError } from '../../errors.ts'

export interface ConnectionOptions {
  readonly url: string
  readonly apiKey?: string | undefined
  readonly clock: Clock
  readonly requestTimeoutMs: number
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
}

/** Codes of Node and of its fetch for a connection that broke while it was in use. */
const resets = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/**
 * Speaks HTTP with one server. Node's fetch keeps connections for four seconds, which is below the server's idle limit.
 *
 * The official client is not used: it reads `30` in Retry-After as `3` and hides the header, takes no signal, keeps connections longer
 * than the server does, and writes vectors 1.6 times larger and more than twice slower than `writeVector`.
 */
export class Connection {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #clock: Clock
  readonly #timeoutMs: number

  /** CONFIG_INVALID for an address or key that can never work, or that would give the key away. */
  constructor({ url, apiKey, clock, requestTimeoutMs }: ConnectionOptions) {
    this.#base = baseOf(url, apiKey)
    this.#headers = apiKey === undefined ? {} : { 'api-key': apiKey }
    this.#clock = clock
    this.#timeoutMs = requestTimeoutMs
  }

  /** Where the server is, for messages. */
  get address(): string {
    return this.#base
  }

  /** One attempt: the answer, whatever its status, or INDEX_UNREACHABLE. */
  async request(method: Method, path: string, { body, signal }: RequestOptions = {}): Promise<Answer> {
    const timeout = new AbortController()
    const seconds = this.#timeoutMs / 1000
    const cancel = this.#clock.after(this.#timeoutMs, () => timeout.abort(new Error(`no answer within ${seconds} s`)))
    try {
      const response = await fetch(`${this.#base}${path}`, {
        method,
        headers: { ...this.#headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        // Following would send the key to another host.
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal,
        ...(body !== undefined && { body }),
      })
      return { status: response.status, text: await response.text(), headers: response.headers }
    } catch (cause) {
      signal?.throwIfAborted()
      throw this.#unreachable(timeout.signal.aborted ? timeout.signal.reason : cause)
    } finally {
      cancel()
    }
  }

  #unreachable(cause: unknown): StreamError {
    // fetch only says that it failed; why is in the cause.
    const origin = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const code = origin instanceof Error && 'code' in origin ? String(origin.code) : ''
    const details = { isReset: resets.has(code) } satisfies NetworkFailure
    const reason = reasonOf(origin) || code
    return new StreamError('INDEX_UNREACHABLE', `Qdrant at ${this.#base} does not answer (${reason})`, {
      cause,
      details,
    })
  }
}

export interface RequestOptions {
  readonly body?: string
  readonly signal?: AbortSignal | undefined
}

function baseOf(given: string, apiKey: string | undefined): string {
  const url = URL.parse(given)
  if (!url || !/^https?:$/.test(url.protocol)) throw invalid('the URL of Qdrant is not an http or https address')
  const address = `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  if (url.username || url.password || url.search || url.hash) {
    throw invalid(`the URL of Qdrant has more than an address: ${address}`, 'Give credentials as `apiKey`.')
  }
  if (apiKey !== undefined) checkKey(apiKey, url, address)
  return address
}

function checkKey(apiKey: string, { protocol, hostname }: URL, address: string): void {
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw invalid('the API key of Qdrant is empty or has characters that no key has', 'Look for white space around it.')
  }
  const isLocal = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  if (protocol === 'http:' && !isLocal) {
    throw invalid(`an API key would travel unencrypted to ${address}`, 'Use https, or a server on this machine.')
  }
}

const invalid = (fact: string, fix?: string) =>
  new StreamError('CONFIG_INVALID', fact, fix === undefined ? {} : { fix })
