/** The HTTP side: keys, limits, compression, faults, and the frame around answers. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { brotliDecompressSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib'
import { ApiError } from './api-error.ts'
import { Database } from './database.ts'
import type { Reply } from './exchange.ts'
import { type Fault, Faults } from './faults.ts'
import { parseParams } from './params.ts'
import { findRoute, type Route, routeTable } from './routes.ts'
import { recordedVersion } from './service-routes.ts'
import { writeJson } from './write-json.ts'

export interface QdrantDoubleOptions {
  readonly port?: number
  readonly apiKey?: string
  readonly readOnlyKey?: string
  /** Largest body; default 32 MiB. */
  readonly maxRequestBytes?: number
  /** How much of a body the log of requests keeps; default 64 KiB. */
  readonly maxLoggedBytes?: number
  /** That it says it has: whatever it is, the answers are those of 1.18.3. Default that one. */
  readonly version?: string
  /** Called in the turn in which a request was done, before it is answered. */
  readonly onHandled?: (request: HandledRequest) => void
}

/** A request that has had its effect, whole or in part. */
export interface HandledRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** Unpacked, as latin1. */
  readonly body: string
  /** What was made to go wrong with it. */
  readonly fault: Fault | undefined
  /** It is answered with an error. */
  readonly failed: boolean
}

/** One request as the log keeps it. */
export interface RequestEntry {
  readonly method: string
  readonly path: string
  readonly bytes: number
  readonly headers: IncomingMessage['headers']
  /** Its beginning, as latin1. */
  readonly body: string
  /** 0 while it runs, and when the connection was broken. */
  status: number
}

const varyByOrigin = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'
/** What a socket buffers: a client that sends more than this after the refusal sees a broken connection. */
const toleratedExcess = 256 * 1024

export class QdrantServer {
  readonly database = new Database()
  readonly faults = new Faults()
  readonly requests: RequestEntry[] = []
  readonly #options: QdrantDoubleOptions
  readonly #routes: readonly Route[]
  readonly #server: Server

  constructor(options: QdrantDoubleOptions) {
    this.#options = options
    this.#routes = routeTable(this.faults)
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  get #maxBytes(): number {
    return this.#options.maxRequestBytes ?? 32 * 1024 * 1024
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#options.port ?? 0, '127.0.0.1', resolve)
    })
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now()
    try {
      await this.#handle(request, new Answering(request, response, startedAt))
    } catch (error) {
      if (!response.headersSent) new Answering(request, response, startedAt).fail(error)
    }
  }

  async #handle(request: IncomingMessage, answering: Answering): Promise<void> {
    const { method = '', url = '' } = request
    const [path = '', search = ''] = url.split('?')
    if (method === 'OPTIONS' && request.headers['access-control-request-method']) return answering.preflight()
    const match = findRoute(this.#routes, method, path)
    const access = match?.route.isOpen ? 'write' : this.#access(request)
    if (access.startsWith('401 ')) {
      answering.text(401, access.slice(4))
      return
    }
    if (!match) {
      answering.nothing(404, method === 'HEAD')
      return
    }
    const body = await this.#read(request)
    const entry = logEntry(request, body, this.#options.maxLoggedBytes ?? defaultLoggedBytes)
    this.requests.push(entry)
    const fault = this.faults.take(`${method} ${path}`, body)
    if (await this.#inject(fault, { answering, entry })) return
    this.faults.enter(fault)
    const reply = attempt(() =>
      match.route.handler({
        database: this.database,
        path: match.path,
        params: parseParams(search),
        body,
        mayWrite: access === 'write',
        version: this.#options.version ?? recordedVersion,
      }),
    )
    this.#options.onHandled?.({
      method,
      path: url,
      headers: request.headers,
      body,
      fault,
      failed: reply instanceof ApiError,
    })
    if (fault?.kind === 'delay' && fault.when === 'after') await pause(fault.ms)
    if (fault?.kind === 'reset') return answering.reset()
    if (fault?.kind === 'hold') await new Promise<void>((resolve) => this.faults.postpone(resolve))
    entry.status = answering.finish(reply)
  }

  /** True when the fault has answered. */
  async #inject(
    fault: Fault | undefined,
    { answering, entry }: { answering: Answering; entry: RequestEntry },
  ): Promise<boolean> {
    if (fault?.kind === 'reset' && fault.when === 'before') {
      answering.reset()
      return true
    }
    if (fault?.kind === 'delay' && fault.when === 'before') await pause(fault.ms)
    if (fault?.kind !== 'status') return false
    entry.status = answering.finish(new ApiError(fault.status, fault.error ?? 'injected', fault.headers))
    return true
  }

  /** `read`, `write`, or `401` and a sentence. */
  #access(request: IncomingMessage): string {
    const { apiKey, readOnlyKey } = this.#options
    if (apiKey === undefined && readOnlyKey === undefined) return 'write'
    const bearer = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
    const key = request.headers['api-key'] ?? bearer
    if (key === undefined) return '401 Must provide an API key or an Authorization bearer token'
    if (key === apiKey) return 'write'
    return key === readOnlyKey ? 'read' : '401 Invalid API key or JWT'
  }

  /** The body as latin1, unpacked. */
  async #read(request: IncomingMessage): Promise<string> {
    const announced = Number(request.headers['content-length'] ?? 0)
    const excess = announced - this.#maxBytes
    if (excess > toleratedExcess) request.socket.destroy()
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of request) {
      size += chunk.length
      if (size <= this.#maxBytes) chunks.push(chunk)
    }
    if (excess > 0) {
      throw new ApiError(
        400,
        `JSON payload (${announced} bytes) is larger than allowed (limit: ${this.#maxBytes} bytes).`,
      )
    }
    if (size > this.#maxBytes) throw new ApiError(400, `JSON payload has exceeded limit (${this.#maxBytes} bytes).`)
    return unpack(Buffer.concat(chunks), request.headers['content-encoding']).toString('latin1')
  }
}

const defaultLoggedBytes = 64 * 1024

function logEntry(
  { method = '', url = '', headers }: IncomingMessage,
  body: string,
  maxLoggedBytes: number,
): RequestEntry {
  // A slice would keep the whole body alive.
  const start =
    body.length <= maxLoggedBytes ? body : Buffer.from(body.slice(0, maxLoggedBytes), 'latin1').toString('latin1')
  return { method, path: url, bytes: body.length, headers, body: start, status: 0 }
}

function unpack(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === 'gzip') return gunzipSync(body)
  if (encoding === 'deflate') return inflateSync(body)
  return encoding === 'br' ? brotliDecompressSync(body) : body
}

/** An error of the double itself is thrown on, to end as 500. */
function attempt(run: () => Reply): Reply | ApiError {
  try {
    return run()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
}

class Answering {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #startedAt: number

  constructor(request: IncomingMessage, response: ServerResponse, startedAt: number) {
    this.#request = request
    this.#response = response
    this.#startedAt = startedAt
  }

  get #seconds(): string {
    return ((performance.now() - this.#startedAt) / 1000).toFixed(9)
  }

  finish(reply: Reply | ApiError): number {
    if (reply instanceof ApiError) return this.#error(reply)
    if ('result' in reply)
      return this.#json(200, `{"result":${writeJson(reply.result)},"status":"ok","time":${this.#seconds}}`)
    if ('bare' in reply) return this.#json(200, writeJson(reply.bare))
    if ('status' in reply) return this.#json(reply.status, `{"status":"accepted","time":${this.#seconds}}`)
    return this.text(200, reply.text, { 'content-type': 'text/plain; charset=utf-8' })
  }

  fail(error: unknown): void {
    if (error instanceof ApiError) this.#error(error)
    else this.#error(new ApiError(500, `Service internal error: ${error instanceof Error ? error.stack : error}`))
  }

  #error({ status, message, headers }: ApiError): number {
    // What is wrong with the form of a request is answered without a time.
    const isFormal = /^(Format|Validation|Deserialize) error|^JSON payload/.test(message)
    const time = isFormal ? '0.0' : this.#seconds
    return this.#json(status, `{"status":{"error":${JSON.stringify(message)}},"time":${time}}`, headers)
  }

  #json(status: number, text: string, headers: Readonly<Record<string, string>> = {}): number {
    const all = { ...headers, 'content-type': 'application/json' }
    if (!/\bgzip\b/.test(String(this.#request.headers['accept-encoding'] ?? ''))) return this.text(status, text, all)
    const packed = gzipSync(text, { level: 1 })
    return this.#send(status, packed, { ...all, 'content-encoding': 'gzip', vary: `accept-encoding, ${varyByOrigin}` })
  }

  text(status: number, text: string, headers: Readonly<Record<string, string>> = {}): number {
    return this.#send(status, Buffer.from(text), { 'content-length': String(Buffer.byteLength(text)), ...headers })
  }

  nothing(status: number, close: boolean): number {
    return this.text(status, '', close ? { connection: 'close' } : {})
  }

  preflight(): void {
    const { origin = '*', 'access-control-request-headers': headers } = this.#request.headers
    this.text(200, '', {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, TRACE, CONNECT',
      ...(headers === undefined ? {} : { 'access-control-allow-headers': headers }),
    })
  }

  reset(): void {
    this.#request.socket.resetAndDestroy()
  }

  #send(status: number, body: Buffer, headers: Readonly<Record<string, string>>): number {
    this.#response.writeHead(status, { vary: varyByOrigin, ...headers })
    this.#response.end(body)
    return status
  }
}
