import type { Clock } from '../../clock.ts'
import { factOf, StreamError, toStreamError } from '../../errors.ts'
import type { HttpConnection } from '../../http-connection.ts'
import type { EmbeddingApi, Question, RawVectors, ServedModel } from './api.ts'
import { errorOf, malformed, misfit, otherSpace, type Server } from './failures.ts'
import { goldenText, type Identity, otherVector } from './identity.ts'
import { packVectors, type VectorRules } from './vectors.ts'

export interface ClientOptions {
  readonly api: EmbeddingApi
  readonly connection: HttpConnection
  readonly normalize: boolean
  readonly prefix: string
  /** Texts that may be sent in a request, the golden one included. */
  readonly maxBatchTexts: number
  /** Takes keys out of what the server says. */
  readonly redact: (text: string) => string
  readonly clock: Clock
}

/** A number takes 25 characters at most, and some more where servers put white space around it. */
const bytesPerNumber = 64
/** More than the vectors of any model have. */
const mostDimensions = 32_768
/** What an answer has beside its vectors; answers without vectors are shorter too. */
const bytesBesideVectors = 16 * 1024 * 1024

/** Vectors, one after the other, and what the server says about their making. */
export interface Embedded {
  readonly vectors: Float32Array
  readonly tokens: number
  readonly model: string | undefined
}

/**
 * Asks one server, once. Errors are those of `errorOf`, and EMBED_FAILED for answers that cannot be used.
 *
 * Between two requests anything may have happened behind an address. So the golden text is the last one of every request, and an answer
 * that has another vector for it than at the start is not used.
 */
export class EmbeddingClient {
  readonly #options: ClientOptions
  readonly #server: Server
  readonly #closing = new AbortController()

  constructor(options: ClientOptions) {
    const { api, connection, redact } = options
    this.#options = options
    this.#server = { who: `${api.name} at ${connection.address}`, missingModelFix: api.missingModelFix, redact }
  }

  /** `TEI at http://10.0.0.7:8080` */
  get who(): string {
    return this.#server.who
  }

  /** Aborts when the client is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }

  /** Ends what is under way. */
  close(): void {
    this.#closing.abort(new StreamError('EMBED_FAILED', 'the embedder was closed'))
  }

  /** What the server says about its model, and what the model makes of the golden text. */
  async identify(): Promise<Identity> {
    const { api, normalize } = this.#options
    const served = await api.identify((question, read) => this.#ask(question, read))
    // Twice: a server that makes one vector of a list is of no use.
    const texts = [this.#golden, ...this.#proofsFor(served)]
    const { vectors, tokens, model } = await this.#embed(texts, mostDimensions, ({ rows }) => {
      if (rows.length !== texts.length) throw malformed(`list of ${texts.length} vectors, but of ${rows.length}`)
      return packVectors(rows, { dimensions: undefined, normalize })
    })
    const golden = vectors.slice(0, vectors.length / texts.length)
    return { served, answered: model, golden, goldenTokens: tokens / texts.length }
  }

  /** The vectors of the texts, if the golden text that is sent with them gets the vector that it had at the start. */
  async embed(texts: readonly string[], expected: Identity): Promise<Embedded> {
    const proofs = this.#proofsFor(expected.served)
    const dimensions = expected.golden.length
    const asked = [...texts, ...proofs]
    const { vectors, tokens, model } = await this.#embed(asked, dimensions, ({ rows, model: answered }) => {
      if (rows.length !== asked.length) throw misfit(`${asked.length} vectors were asked for and ${rows.length} came`)
      if (answered !== expected.answered)
        throw otherSpace(`it answers for model "${answered}", not "${expected.answered}"`)
      const rules = { dimensions, normalize: this.#options.normalize }
      if (proofs.length > 0) prove(expected.golden, rows.slice(texts.length), rules)
      return packVectors(rows.slice(0, texts.length), rules)
    })
    return { vectors, tokens: Math.max(0, tokens - expected.goldenTokens * proofs.length), model }
  }

  get #golden(): string {
    return this.#options.prefix + goldenText
  }

  /** None for a server that takes one text at a time. */
  #proofsFor({ maxBatchTexts }: ServedModel): readonly string[] {
    return Math.min(maxBatchTexts, this.#options.maxBatchTexts) > 1 ? [this.#golden] : []
  }

  #embed(
    texts: readonly string[],
    dimensions: number,
    vectorsOf: (raw: RawVectors) => Float32Array,
  ): Promise<Embedded> {
    const { api } = this.#options
    const question: Question = { method: 'POST', path: api.path, body: api.bodyOf(texts) }
    const read = (json: unknown, headers: Headers) => {
      const raw = api.read(json, headers)
      return { vectors: vectorsOf(raw), tokens: raw.tokens, model: raw.model }
    }
    return this.#ask(question, read, texts.length * dimensions)
  }

  /** `numbers` are those of the vectors that are asked for. */
  async #ask<T>(
    { method, path, body }: Question,
    read: (json: unknown, headers: Headers) => T,
    numbers = 0,
  ): Promise<T> {
    const { connection, clock } = this.#options
    const answer = await connection.request(method, path, {
      signal: this.#closing.signal,
      maxAnswerBytes: bytesBesideVectors + numbers * bytesPerNumber,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    if (answer.status !== 200) throw errorOf(this.#server, answer, clock.now())
    try {
      return read(parsedOrThrow(answer.text), answer.headers)
    } catch (error) {
      const { code, fact, fix, details, cause } = toStreamError(error, 'EMBED_FAILED', 'the answer cannot be read')
      throw new StreamError(code, `${this.who}: ${fact}`, { fix, details, cause })
    }
  }
}

function parsedOrThrow(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('JSON')
  }
}

/** Throws when the vector of the golden text is no longer what it was at the start: no other text is to blame for that. */
function prove(expected: Float32Array, rows: readonly unknown[], rules: VectorRules): void {
  let difference: string | undefined
  try {
    difference = otherVector(expected, packVectors(rows, rules))
  } catch (error) {
    throw otherSpace(factOf(error))
  }
  if (difference !== undefined) throw otherSpace(`it ${difference} than at the start`)
}
