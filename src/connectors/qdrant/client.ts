import { Backoff } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import type { Answer, HttpConnection, Method } from '../../http-connection.ts'
import type { Logger } from '../../logger.ts'
import { errorOf, type Refusal, retrying } from './retry.ts'

export interface AskOptions {
  readonly body?: unknown
  /** Ends the attempts; without it there are five. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Requests that may be repeated until they succeed, and what they answer.
 *
 * The official client is not used: it reads `30` in Retry-After as `3` and hides the header, takes no signal, keeps connections longer
 * than the server does, and writes vectors 1.6 times larger and more than twice slower than `writeVector`.
 */
export class Client {
  readonly #connection: HttpConnection
  readonly #clock: Clock
  readonly #logger: Logger

  constructor(connection: HttpConnection, clock: Clock, logger: Logger) {
    this.#connection = connection
    this.#clock = clock
    this.#logger = logger
  }

  get address(): string {
    return this.#connection.address
  }

  backoff(): Backoff {
    return new Backoff({ name: 'Qdrant', clock: this.#clock, logger: this.#logger })
  }

  /** The `result` of an answer. Errors are those of `errorOf`. */
  async ask<T>(method: Method, path: string, options?: AskOptions): Promise<T> {
    return resultOf(await this.patiently(method, path, options))
  }

  async patiently(method: Method, path: string, { body, signal }: AskOptions = {}): Promise<Answer> {
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    return retrying(() => this.once(method, path, { ...text, signal }), { backoff: this.backoff(), signal })
  }

  /** One attempt; an answer that is no success is thrown. */
  async once(
    method: Method,
    path: string,
    options: { readonly body?: string; readonly signal?: AbortSignal | undefined },
  ): Promise<Answer> {
    const answer = await this.#connection.request(method, path, options)
    if (answer.status !== 200) throw errorOf(answer, this.#clock.now())
    return answer
  }
}

/** What an answer of Qdrant holds. Its shape is the caller's knowledge of the interface. */
export function resultOf<T>({ text }: Answer): T {
  let cause: unknown
  try {
    const { result }: { result?: T } = JSON.parse(text)
    if (result !== undefined) return result
  } catch (error) {
    cause = error
  }
  throw new StreamError('CONFIG_INVALID', 'the server does not answer like Qdrant', { cause })
}

/** The HTTP status behind an error; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const details: Partial<Refusal> = isStreamError(error) ? error.details : {}
  return details.status
}

export const collectionPath = (collection: string) => `/collections/${encodeURIComponent(collection)}`

export function collectionGone(collection: string, address: string): StreamError {
  return new StreamError('INDEX_MISMATCH', `the collection "${collection}" does not exist any more at ${address}`, {
    fix: 'Start under another application name: the collection is created, and every document indexed from the log.',
  })
}
