import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type ErrorCode, isStreamError, StreamError } from '../../errors.ts'
import { type Answer, type Asked, json } from '../http-server.ts'

/** Requests that are answered at the same time; the others are told to come again. */
const maxReads = 16

const heads: Partial<Record<ErrorCode, Pick<Answer, 'status' | 'headers'>>> = {
  QUERY_INVALID: { status: 400 },
  QUERY_DENIED: { status: 401, headers: { 'www-authenticate': 'Bearer' } },
  STORE_UNKNOWN: { status: 404 },
  STORE_UNAVAILABLE: { status: 503, headers: { 'retry-after': '1' } },
}

type Route = (asked: Asked) => Answer | Promise<Answer>

/** Lets in who shows the token, a few at a time, and makes answers of errors. */
export class ReadGuard {
  readonly #token: string | null
  #reads = 0

  constructor(token: string | null) {
    this.#token = token
  }

  around(route: Route): Route {
    return async (asked) => {
      if (this.#token !== null && !shows(asked.headers, this.#token))
        return errorAnswer(new StreamError('QUERY_DENIED', 'no token, or another one'))
      if (this.#reads >= maxReads)
        return errorAnswer(new StreamError('STORE_UNAVAILABLE', `${maxReads} reads are under way`))
      this.#reads++
      try {
        return await route(asked)
      } catch (error) {
        if (isStreamError(error)) return errorAnswer(error)
        throw error
      } finally {
        this.#reads--
      }
    }
  }
}

function errorAnswer({ code, fact, fix }: StreamError): Answer {
  const { status, headers = {} } = heads[code] ?? { status: 500 }
  return { ...json(status, { error: { code, fact, fix } }), headers }
}

/** As long for a wrong token as for the right one. */
function shows({ authorization = '' }: IncomingHttpHeaders, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(authorization), digest(`Bearer ${token}`))
}
