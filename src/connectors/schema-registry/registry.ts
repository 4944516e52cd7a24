import { Backoff } from '../../backoff.ts'
import { type Clock, delay, systemClock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { HttpConnection, type Method } from '../../http-connection.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import { LruMap } from '../../lru-map.ts'
import type { TlsOptions } from '../../tls-fetch.ts'
import { errorOf } from './answers.ts'
import {
  type CompleteSchema,
  idIn,
  type OwnSchema,
  type RegisteredSchema,
  type SchemaRegistry,
  schemaIn,
  withImports,
} from './schemas.ts'
import { SharedRequests } from './shared-requests.ts'

export interface SchemaRegistryOptions {
  /** Base URL of a registry with the REST interface of Confluent: Confluent's own, Karapace, Apicurio (`/apis/ccompat/v7`), Redpanda. */
  readonly url: string
  /** For basic authentication, together with `password`: an API key of Confluent Cloud, or a user. */
  readonly username?: string
  readonly password?: string
  /** Sent as bearer token, instead of user and password. */
  readonly token?: string
  /** Certificates, PEM, where those of the system do not do: of an authority to trust, and of the client for mutual TLS. */
  readonly ssl?: TlsOptions
  /** Milliseconds until a request that is not answered counts as failed, default 10,000. */
  readonly requestTimeoutMs?: number
  /** Text of schemas that is kept, bytes, default 16 MiB; what was used longest ago goes first. */
  readonly maxCacheBytes?: number
  readonly logger?: Logger
  readonly clock?: Clock
}

const defaultRequestTimeoutMs = 10_000
const defaultMaxCacheBytes = 16 * 1024 * 1024

/** A broker takes no schema that is nearly so long: what gives more is no registry. */
const maxAnswerBytes = 16 * 1024 * 1024

/** A node of a registry may hear of a schema a moment after its producer did. */
const secondLookAfterMs = 1_000
/** Bytes that only look like an id would otherwise make every record wait. */
const secondLookEveryMs = 60_000

/**
 * A schema registry. Making one does no I/O: it is asked when a topic is opened that is written with it, and for each schema that the first
 * record names. Share one among all serdes.
 *
 * Throws CONFIG_INVALID for an address that can never work, and for credentials that would travel unencrypted to another machine.
 *
 * @example
 * const registry = schemaRegistry({ url: 'https://registry.example.com', username: 'documents', password })
 * builder.stream('documents', kafka({ topic: 'documents', key: string, value: avro(registry, Document) }))
 */
export function schemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  return new HttpSchemaRegistry(options)
}

class HttpSchemaRegistry implements SchemaRegistry {
  readonly clock: Clock
  readonly #connection: HttpConnection
  readonly #logger: Logger
  readonly #requests = new SharedRequests<string, string>()
  /** Who asks for a schema while another looks a second time waits for that look. */
  readonly #schemas = new SharedRequests<number, CompleteSchema>()
  /** Answers by what was asked: ids and versions never change what they mean. */
  readonly #answers: LruMap<string, string>
  #lookedAgainAt = Number.NEGATIVE_INFINITY

  constructor(options: SchemaRegistryOptions) {
    const { clock = systemClock, logger = silentLogger, maxCacheBytes = defaultMaxCacheBytes } = options
    const authorization = authorizationOf(options)
    this.clock = clock
    this.#logger = logger
    this.#answers = new LruMap({ maxBytes: maxCacheBytes })
    this.#connection = new HttpConnection({
      name: 'the schema registry',
      url: options.url,
      headers: {
        accept: 'application/vnd.schemaregistry.v1+json, application/json',
        ...(authorization && { authorization: `${authorization.scheme} ${authorization.credentials}` }),
      },
      apiKey: authorization?.credentials,
      tls: options.ssl,
      clock,
      requestTimeoutMs: options.requestTimeoutMs ?? defaultRequestTimeoutMs,
      unreachable: 'REGISTRY_UNREACHABLE',
    })
  }

  get address(): string {
    return this.#connection.address
  }

  schema(id: number, signal: AbortSignal): Promise<CompleteSchema> {
    return this.#schemas.join(id, signal, (ended) => this.#find(id, ended))
  }

  async #find(id: number, signal: AbortSignal): Promise<CompleteSchema> {
    const path = `/schemas/ids/${id}`
    try {
      return await this.complete(await this.#schemaAt(path, signal), signal)
    } catch (error) {
      if (!isMissing(error) || !this.#mayLookAgain()) throw error
      await delay(this.clock, secondLookAfterMs, signal)
      return this.complete(await this.#schemaAt(path, signal), signal)
    }
  }

  complete(schema: RegisteredSchema, signal: AbortSignal): Promise<CompleteSchema> {
    return withImports(schema, ({ subject, version }) =>
      this.#schemaAt(`/subjects/${encodeURIComponent(subject)}/versions/${version}?deleted=true`, signal),
    )
  }

  async idOf(
    { type, text, references, subject, register, normalize }: OwnSchema,
    signal: AbortSignal,
  ): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}${register ? '/versions' : ''}${normalize ? '?normalize=true' : ''}`
    const body = JSON.stringify({ schema: text, ...(type !== 'AVRO' && { schemaType: type }), references })
    return idIn(await this.#answer('POST', path, body, signal), this.address)
  }

  async #schemaAt(path: string, signal: AbortSignal): Promise<RegisteredSchema> {
    return schemaIn(await this.#answer('GET', path, undefined, signal), this.address)
  }

  async #answer(method: Method, path: string, body: string | undefined, signal: AbortSignal): Promise<string> {
    const question = `${method} ${path} ${body ?? ''}`
    const known = this.#answers.get(question)
    if (known !== undefined) return known
    const ask = (ended: AbortSignal) =>
      this.#patiently(method, path, { ...(body !== undefined && { body }), signal: ended })
    const answer = await this.#requests.join(question, signal, ask)
    this.#answers.set(question, answer, question.length + answer.length)
    return answer
  }

  async #patiently(
    method: Method,
    path: string,
    options: { readonly body?: string; readonly signal: AbortSignal },
  ): Promise<string> {
    const backoff = new Backoff({ name: 'the schema registry', clock: this.clock, logger: this.#logger })
    while (true) {
      try {
        const answer = await this.#connection.request(method, path, { ...options, maxAnswerBytes })
        if (answer.status !== 200) throw errorOf(answer, this.address, this.clock.now())
        backoff.reset()
        return answer.text
      } catch (error) {
        if (!isStreamError(error) || error.reaction !== 'retry') throw error
        await backoff.wait(error, options.signal)
      }
    }
  }

  #mayLookAgain(): boolean {
    const now = this.clock.now()
    // A clock that was turned back must not forbid it for long.
    if (now >= this.#lookedAgainAt && now < this.#lookedAgainAt + secondLookEveryMs) return false
    this.#lookedAgainAt = now
    return true
  }
}

/** 40403; other registries say only 404. */
function isMissing(error: unknown): boolean {
  if (!isStreamError(error) || error.code !== 'SCHEMA_REFUSED') return false
  const { errorCode } = error.details
  return typeof errorCode === 'number' && Math.floor(errorCode / 100) === 404
}

interface Authorization {
  readonly scheme: 'Basic' | 'Bearer'
  readonly credentials: string
}

function authorizationOf({ username, password, token }: SchemaRegistryOptions): Authorization | undefined {
  if (token !== undefined && (username !== undefined || password !== undefined)) {
    throw new StreamError('CONFIG_INVALID', 'the schema registry got a token, and a user and password as well')
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new StreamError('CONFIG_INVALID', '`username` and `password` of the schema registry go together')
  }
  if (token !== undefined) return { scheme: 'Bearer', credentials: token }
  if (username === undefined) return undefined
  return { scheme: 'Basic', credentials: Buffer.from(`${username}:${password}`).toString('base64') }
}
