import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { type Answer, HttpConnection } from '../../http-connection.ts'
import type { Page, StalePart } from './page.ts'
import { type Cursor, cursorOf, cursorText, type PageRequest } from './page-request.ts'

/** Says to an instance that another one asks: it answers itself, or says why not. */
export const forwardedHeader = 'millrace-forwarded'

export interface ForwarderOptions {
  readonly clock: Clock
  /** What instances want to be shown; null: nothing. */
  readonly token: string | null
}

/** A little more than an instance takes for a page. */
const requestTimeoutMs = 6_000
/** A page is 4 MiB and one entry. */
const maxAnswerBytes = 64 * 1024 * 1024

/** Asks other instances for what they have. */
export class Forwarder {
  readonly #options: ForwarderOptions

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** Of the first of these addresses that answers. Throws QUERY_INVALID, and STORE_UNAVAILABLE when none does. */
  async firstAnswer(addresses: readonly string[], request: PageRequest & { readonly cursor: Cursor }): Promise<Page> {
    let failure: StreamError | undefined
    for (const address of addresses) {
      try {
        return await this.#ask(address, request)
      } catch (error) {
        if (!isStreamError(error) || error.code !== 'STORE_UNAVAILABLE') throw error
        failure ??= error
      }
    }
    throw failure ?? new StreamError('STORE_UNAVAILABLE', 'no instance has said where it answers')
  }

  async #ask(address: string, { parameters, cursor, limit }: PageRequest & { readonly cursor: Cursor }): Promise<Page> {
    const { clock, token } = this.#options
    // The token is for all instances alike, and goes where the leader of the group says that one is.
    const headers = { [forwardedHeader]: '1', ...(token !== null && { authorization: `Bearer ${token}` }) }
    const name = 'the instance'
    const unreachable = 'STORE_UNAVAILABLE'
    const connection = new HttpConnection({ name, url: address, headers, clock, requestTimeoutMs, unreachable })
    const asked = new URLSearchParams(parameters)
    asked.set('partition', String(cursor.partition))
    asked.set('next', cursorText(cursor))
    asked.set('limit', String(limit))
    return pageIn(await connection.request('GET', `/entries?${asked}`, { maxAnswerBytes }), address, cursor)
  }
}

function pageIn({ status, text }: Answer, address: string, { partition }: Cursor): Page {
  const answer = jsonIn(text)
  if (status === 400) throw new StreamError('QUERY_INVALID', factOf(answer), { fix: `So says ${address}.` })
  const next = typeof answer.next === 'string' ? cursorOf(answer.next) : undefined
  if (status !== 200 || !Array.isArray(answer.entries) || (answer.next !== undefined && !next)) {
    const fact = status === 401 ? 'does not take the token of this instance' : `answers ${status}: ${factOf(answer)}`
    throw new StreamError('STORE_UNAVAILABLE', `the instance at ${address} ${fact}`)
  }
  return {
    entries: answer.entries.map((entry) => JSON.stringify(entry)),
    next: next && { ...next, partition },
    stale: Array.isArray(answer.stale) ? (answer.stale as StalePart[]) : [],
  }
}

interface JsonAnswer {
  readonly entries?: unknown
  readonly next?: unknown
  readonly stale?: unknown
  readonly error?: { readonly fact?: unknown } | undefined
}

function jsonIn(text: string): JsonAnswer {
  try {
    return Object(JSON.parse(text)) as JsonAnswer
  } catch {
    return {}
  }
}

function factOf({ error }: JsonAnswer): string {
  return typeof error?.fact === 'string' ? error.fact : 'it is no instance, or another version'
}
