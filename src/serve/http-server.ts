import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, delay } from '../clock.ts'
import { reasonOf, StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'

/** An answer of a route. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What is asked for. */
export interface Asked {
  /** What the address has behind its question mark. */
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
}

export interface HttpServerOptions {
  /** 0 takes any that is free. */
  readonly port: number
  readonly host: string
  /** Answers by path, to GET and HEAD. What a route throws is answered with 500. */
  readonly routes: Readonly<Record<string, (asked: Asked) => Answer | Promise<Answer>>>
  readonly clock: Clock
  readonly logger: Logger
}

/** Nobody who scrapes or probes needs more. */
const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
} as const
const maxConnections = 64
/** How long answers under way may take when the server closes. */
const closeDeadlineMs = 1_000

/** A small server for readers: a fixed table of routes, no bodies, everything bounded. */
export class HttpServer implements AsyncDisposable {
  readonly #options: HttpServerOptions
  readonly #server: Server

  private constructor(options: HttpServerOptions) {
    this.#options = options
    this.#server = createServer(limits, (request, response) => void this.#answer(request, response))
    this.#server.maxConnections = maxConnections
  }

  /** Throws CONFIG_INVALID when the address cannot be listened on. */
  static async open(options: HttpServerOptions): Promise<HttpServer> {
    const http = new HttpServer(options)
    const { port, host, logger } = options
    const listening = Promise.withResolvers<void>()
    http.#server.once('error', listening.reject)
    http.#server.listen(port, host, listening.resolve)
    await listening.promise.catch((cause: unknown) => {
      throw new StreamError('CONFIG_INVALID', `cannot listen on ${host}:${port}: ${reasonOf(cause)}`, {
        cause,
        fix: 'Choose another port, or an address of this machine.',
      })
    })
    http.#server.on('error', (error) => logger.warn({ error: reasonOf(error) }, 'the HTTP server has a problem'))
    return http
  }

  /** `http://127.0.0.1:9464` */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
  }

  /** Takes no further connection, and waits a moment for answers under way. Closing twice is closing once. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const patience = new AbortController()
    const late = delay(this.#options.clock, closeDeadlineMs, patience.signal).then(
      () => this.#server.closeAllConnections(),
      () => undefined,
    )
    await Promise.race([closed, late])
    patience.abort()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body, headers } = await this.#answerTo(request)
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(status === 405 && { allow: 'GET, HEAD' }),
      ...headers,
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  async #answerTo({ method = '', url = '', headers }: IncomingMessage): Promise<Answer> {
    const { routes, logger } = this.#options
    const [path = '', ...parameters] = url.split('?')
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (!route) return json(404, { error: 'not found', paths: Object.keys(routes) })
    if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'only GET and HEAD' })
    try {
      return await route({ query: new URLSearchParams(parameters.join('?')), headers })
    } catch (error) {
      logger.warn({ path, error: reasonOf(error) }, 'a request could not be answered')
      return json(500, { error: 'the answer could not be made' })
    }
  }
}

export function json(status: number, value: object): Answer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` }
}
