import type { Clock } from '../../clock.ts'
import { reasonOf, StreamError } from '../../errors.ts'
import { retryAfterOf } from '../../http-connection.ts'
import { attempts } from './attempts.ts'

export interface HubOptions {
  /** Base URL of a hub that speaks the API of Hugging Face. */
  readonly endpoint: string
  /** For models that want one; goes to the endpoint alone, not to where it redirects. */
  readonly token?: string | undefined
  readonly clock: Clock
  /** How long the hub may be silent. Milliseconds, default 30,000. */
  readonly idleTimeoutMs?: number
  readonly signal: AbortSignal
}

/** What the hub says about a file, from all answers on the way to it. */
export interface FileFacts {
  /** Of the whole file. */
  readonly bytes: number | undefined
  /** SHA-256 of a large file, or SHA-1 of a small one as git stores it; undefined when the hub does not say. */
  readonly sha256: string | undefined
  readonly gitSha1: string | undefined
}

export interface FileAnswer {
  readonly facts: FileFacts
  /** Place in the file of the first byte of the body. */
  readonly from: number
  /** Undefined when there is nothing from there on. */
  readonly body: AsyncIterable<Uint8Array> | undefined
}

const maxRedirects = 5
const defaultIdleTimeoutMs = 30_000

/**
 * Asks a hub for files. Rejects with MODEL_UNREACHABLE (retry) when it does not answer or has too much to do, MODEL_DENIED, MODEL_MISSING,
 * and with the signal's reason. Proxies are those of Node: `NODE_USE_ENV_PROXY=1` with `HTTPS_PROXY`.
 */
export class HubClient {
  readonly #options: HubOptions
  readonly #endpoint: URL

  constructor(options: HubOptions) {
    this.#options = options
    if (!URL.canParse(options.endpoint) || !/^https?:$/.test(new URL(options.endpoint).protocol))
      throw new StreamError('CONFIG_INVALID', `the hub "${options.endpoint}" is not an http or https URL`)
    this.#endpoint = new URL(options.endpoint)
  }

  /** `path` from the endpoint, in segments: `['api', 'models', 'BAAI', 'bge-small-en-v1.5']`. */
  async json(path: readonly string[]): Promise<unknown> {
    const ask = async (): Promise<unknown> => {
      const { response, watch } = await this.#follow(this.#urlOf(path), {})
      try {
        return await response.json()
      } catch (cause) {
        throw this.#failureOf(cause, watch, `the hub gave no JSON for ${path.join('/')}`)
      } finally {
        watch.end()
      }
    }
    return attempts(ask, this.#options)
  }

  /** A file from byte `from` on; the hub may choose to begin at 0. */
  async file(path: readonly string[], from: number): Promise<FileAnswer> {
    // The bytes as they are: a compressed answer has another length.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) }
    const { response, hops, watch } = await this.#follow(this.#urlOf(path), headers)
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
    const facts = factsOf([...hops, response], range?.[2])
    const start = response.status === 206 ? Number(range?.[1] ?? 0) : 0
    if (response.status === 416 || !response.body) {
      watch.end()
      await response.body?.cancel()
      return { facts, from: start, body: undefined }
    }
    return { facts, from: start, body: this.#watched(response.body, watch) }
  }

  #urlOf(path: readonly string[]): URL {
    const base = this.#endpoint.href.endsWith('/') ? this.#endpoint : new URL(`${this.#endpoint.href}/`)
    return new URL(path.map(encodeURIComponent).join('/'), base)
  }

  /** The answer at the end of all redirects, and the watch over its body; the watch has ended when it rejects. */
  async #follow(first: URL, headers: Readonly<Record<string, string>>) {
    const watch = new IdleWatch(this.#options)
    try {
      return { ...(await this.#lead(first, headers, watch)), watch }
    } catch (error) {
      watch.end()
      throw error
    }
  }

  /** Redirects are followed here: the hub names the hash of a file in the answer that leads away. */
  async #lead(first: URL, headers: Readonly<Record<string, string>>, watch: IdleWatch) {
    const hops: Response[] = []
    let url = first
    while (hops.length <= maxRedirects) {
      const response = await this.#get(url, headers, watch)
      const location = response.headers.get('location')
      if (response.status < 300 || response.status >= 400 || location === null) {
        if (response.ok || response.status === 416) return { response, hops }
        await response.body?.cancel()
        throw this.#refusalOf(response, first)
      }
      await response.body?.cancel()
      hops.push(response)
      url = this.#next(url, location)
    }
    throw this.#unreachable(`the hub redirects ${first.pathname} more than ${maxRedirects} times`)
  }

  #next(from: URL, location: string): URL {
    const url = new URL(location, from)
    if (from.protocol === 'https:' && url.protocol !== 'https:')
      throw new StreamError(
        'MODEL_INVALID',
        `the hub redirects ${from.pathname} to ${url.origin}, which is not encrypted`,
      )
    return url
  }

  async #get(url: URL, headers: Readonly<Record<string, string>>, watch: IdleWatch): Promise<Response> {
    const { token } = this.#options
    const own = token !== undefined && url.origin === this.#endpoint.origin ? { authorization: `Bearer ${token}` } : {}
    try {
      watch.touch()
      return await fetch(url, { headers: { ...headers, ...own }, redirect: 'manual', signal: watch.signal })
    } catch (error) {
      throw this.#failureOf(error, watch, `${url.origin} cannot be reached`)
    }
  }

  async *#watched(body: AsyncIterable<Uint8Array>, watch: IdleWatch): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of body) {
        watch.touch()
        yield piece
      }
    } catch (error) {
      throw this.#failureOf(error, watch, 'the download broke off')
    } finally {
      watch.end()
    }
  }

  #failureOf(error: unknown, watch: IdleWatch, fact: string): unknown {
    if (this.#options.signal.aborted) return this.#options.signal.reason
    return watch.isOver
      ? this.#unreachable(`the hub was silent for ${watch.timeoutMs} ms`)
      : this.#unreachable(fact, error)
  }

  #unreachable(fact: string, cause?: unknown): StreamError {
    const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
    return new StreamError('MODEL_UNREACHABLE', inner === undefined ? fact : `${fact}: ${reasonOf(inner)}`, { cause })
  }

  #refusalOf({ status, headers }: Response, { pathname }: URL): StreamError {
    const code = headers.get('x-error-code') ?? ''
    const details = { status, retryAfterMs: retryAfterOf(headers, this.#options.clock.now()) ?? 0 }
    if (status === 404 || ['RepoNotFound', 'RevisionNotFound', 'EntryNotFound'].includes(code))
      return new StreamError('MODEL_MISSING', `the hub has no ${pathname}`, {
        details,
        fix: 'Check the name of the model.',
      })
    if (status === 401 || status === 403)
      return new StreamError('MODEL_DENIED', `the hub does not give out ${pathname}: ${status} ${code}`.trim(), {
        details,
      })
    return new StreamError('MODEL_UNREACHABLE', `the hub answers ${status} to ${pathname}`, { details })
  }
}

/** Aborts a request whose server says nothing for too long. */
class IdleWatch {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly #clock: Clock
  readonly #idle = new AbortController()
  #cancel: (() => void) | undefined

  constructor({ clock, idleTimeoutMs = defaultIdleTimeoutMs, signal }: HubOptions) {
    this.timeoutMs = idleTimeoutMs
    this.#clock = clock
    this.signal = AbortSignal.any([signal, this.#idle.signal])
  }

  get isOver(): boolean {
    return this.#idle.signal.aborted
  }

  touch(): void {
    this.#cancel?.()
    this.#cancel = this.#clock.after(this.timeoutMs, () => this.#idle.abort())
  }

  end(): void {
    this.#cancel?.()
  }
}

function factsOf(answers: readonly Response[], total: string | undefined): FileFacts {
  const header = (name: string) => answers.map(({ headers }) => headers.get(name)).find((value) => value !== null)
  const tag = (header('x-linked-etag') ?? header('etag') ?? '').replace(/^W\//, '').replaceAll('"', '')
  const last = answers.at(-1)
  const length = last?.status === 200 ? last.headers.get('content-length') : undefined
  const bytes = header('x-linked-size') ?? total ?? length
  return {
    bytes: bytes ? Number(bytes) : undefined,
    sha256: /^[0-9a-f]{64}$/.test(tag) ? tag : undefined,
    gitSha1: /^[0-9a-f]{40}$/.test(tag) ? tag : undefined,
  }
}
