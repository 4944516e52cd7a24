import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { goldenText } from '../../../src/embed/remote/identity.ts'
import type { FakeModel } from './model.ts'

export interface Reply {
  readonly status: number
  readonly json?: unknown
  /** Sent as it is. */
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What goes wrong with requests that embed. */
export type Fault =
  | (Reply & { readonly kind: 'answer' })
  /** The connection breaks. */
  | { readonly kind: 'reset' }
  /** Half of the answer comes, and then the end. */
  | { readonly kind: 'half' }
  /** No answer until `release`. */
  | { readonly kind: 'hold' }

export interface HandledRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
  /** Of a request that embeds. */
  readonly texts: readonly string[]
}

/** A kind of server: its routes, and how it says no. */
export interface Dialect {
  readonly embedPath: string
  readonly unauthorized: Reply
  textsOf(body: unknown): readonly string[]
  answer(request: HandledRequest, model: FakeModel): Reply
}

export interface FakeServerOptions {
  readonly model: FakeModel
  readonly apiKey?: string
  /** Answers 500 as long as a request has such a text. */
  readonly crashesOver?: (text: string) => boolean
}

/** An embedding server on a port of its own, which can be told to fail, to stop and to come back with another model. */
export class FakeEmbeddingServer {
  model: FakeModel
  apiKey: string | undefined
  /** Answers to every request that embeds, as long as it is set. */
  standing: Fault | undefined
  readonly requests: HandledRequest[] = []
  readonly #dialect: Dialect
  readonly #crashesOver: (text: string) => boolean
  readonly #faults: Fault[] = []
  readonly #held: (() => void)[] = []
  #server: Server
  #port = 0
  #atOnce = 0
  /** The most requests that it embedded at the same time. */
  mostAtOnce = 0

  constructor(dialect: Dialect, { model, apiKey, crashesOver = () => false }: FakeServerOptions) {
    this.#dialect = dialect
    this.model = model
    this.apiKey = apiKey
    this.#crashesOver = crashesOver
    this.#server = this.#create()
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The texts of every request that embeds, without the one that every request has and those that have nothing else. */
  get batches(): readonly (readonly string[])[] {
    return this.requests
      .map(({ texts }) => texts.filter((text) => !text.endsWith(goldenText)))
      .filter((texts) => texts.length > 0)
  }

  /** The next requests that embed fail like this, one after the other. */
  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  /** Requests that are held. */
  get held(): number {
    return this.#held.length
  }

  /** Answers what is held. */
  release(): void {
    for (const answer of this.#held.splice(0)) answer()
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Connections are refused from now on, until `start`. */
  async stop(): Promise<void> {
    this.#held.splice(0)
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    this.#server = this.#create()
  }

  #create(): Server {
    return createServer((request, response) => void this.#serve(request, response))
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const chunk of incoming.setEncoding('utf8')) text += chunk
    const { method = '', url: path = '', headers } = incoming
    const body = parsed(text)
    const embeds = path === this.#dialect.embedPath
    const texts = embeds ? this.#dialect.textsOf(body) : []
    const request = { method, path, headers, body, texts }
    this.requests.push(request)
    this.#atOnce++
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce)
    const fault = embeds ? (this.#faults.shift() ?? this.standing) : undefined
    if (fault?.kind === 'hold') await new Promise<void>((resolve) => this.#held.push(resolve))
    this.#atOnce--
    if (fault?.kind === 'reset') return void incoming.socket.resetAndDestroy()
    const reply = fault?.kind === 'answer' ? fault : this.#replyTo(request)
    const whole = reply.text ?? JSON.stringify(reply.json ?? {})
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
    response.end(fault?.kind === 'half' ? whole.slice(0, whole.length / 2) : whole)
  }

  #replyTo(request: HandledRequest): Reply {
    const isWelcome = this.apiKey === undefined || request.headers.authorization === `Bearer ${this.apiKey}`
    if (!isWelcome) return this.#dialect.unauthorized
    if (request.texts.some(this.#crashesOver)) return { status: 500, text: 'Internal Server Error' }
    return this.#dialect.answer(request, this.model)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
