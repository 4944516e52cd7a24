import { Backoff } from '../../backoff.ts'
import { type Clock, delay, systemClock } from '../../clock.ts'
import { isStreamError } from '../../errors.ts'
import { HttpConnection, type Method } from '../../http-connection.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import { LruMap } from '../../lru-map.ts'
import type { HttpTlsOptions } from '../../tls-fetch.ts'
import { authorizationOf, type RegistryCredentials } from './authorization.ts'
import { RegistryServers } from './registry-servers.ts'
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

export interface SchemaRegistryOptions extends RegistryCredentials {
  /**
   * Base URL of a registry with the REST interface of Confluent: Confluent's own, Karapace, Apicurio (`/apis/ccompat/v7`), Redpanda. Several
   * for servers with the same schemas: when one cannot answer, the next is asked at once.
   */
  readonly url: string | readonly string[]
  /**
   * Certificates, PEM, where those of the system do not do: of an authority to trust, and of the client for mutual TLS. Files are looked at
   * for every request.
   */
  readonly ssl?: HttpTlsOptions
  /** Milliseconds until a request that is not answered counts as failed, default 10,000. */
  readonly requestTimeoutMs?: number
  /** Text of schemas that is kept, bytes, default 16 MiB; what was used longest ago goes first. */
  readonly maxCacheBytes?: number
  readonly logger?: Logger
  readonly clock?: Clock
}

const defaultRequestTimeoutMs = 10_000
const defaultMaxCacheBytes = 16 * 1024 * 1024

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
  readonly #servers: RegistryServers
  readonly #logger: Logger
  readonly #requests = new SharedRequests<string, string>()
  /** Who asks for a schema while another looks a second time waits for that look. */
  readonly #schemas = new SharedRequests<number, CompleteSchema>()
  /** Answers by what was asked: ids and versions never change what they mean. */
  readonly #answers: LruMap<string, string>
  #lookedAgainAt = Number.NEGATIVE_INFINITY

  constructor(options: SchemaRegistryOptions) {
    const { clock = systemClock, logger = silentLogger, maxCacheBytes = defaultMaxCacheBytes } = options
    const { url, requestTimeoutMs = defaultRequestTimeoutMs, ssl: tls } = options
    const authorization = authorizationOf(options)
    this.clock = clock
    this.#logger = logger
    this.#answers = new LruMap({ maxBytes: maxCacheBytes })
    const headers = { accept: 'application/vnd.schemaregistry.v1+json, application/json' }
    const connections = [url].flat().map(
      (address) =>
        new HttpConnection({
          ...{ name: 'the schema registry', url: address, headers, authorization, apiKey: options.token },
          ...{ tls, clock, logger, requestTimeoutMs, unreachable: 'REGISTRY_UNREACHABLE' },
        }),
    )
    this.#servers = new RegistryServers({ connections, logger, clock })
  }

  get address(): string {
    return this.#servers.address
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
        const text = await this.#servers.ask(method, path, options)
        backoff.reset()
        return text
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
