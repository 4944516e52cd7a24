import type { Method } from '../../http-connection.ts'

/**
 * How one kind of server wants to be asked: its paths, bodies and answers. Knows nothing about networks, retries or other replicas.
 *
 * What comes from a server is `unknown` until it was looked at; reading it throws EMBED_FAILED when it has another shape.
 */
export interface EmbeddingApi {
  /** The first part of the embedder's id: `tei`. */
  readonly id: string
  /** For messages: `TEI`. */
  readonly name: string
  /** Where texts are embedded. */
  readonly path: string
  /** Settings of the requests that decide the vectors, for the embedder's id. */
  readonly settings: Readonly<Record<string, unknown>>
  /** What to do when the server has no such model. */
  readonly missingModelFix: string
  identify(ask: Ask): Promise<ServedModel>
  bodyOf(texts: readonly string[]): object
  read(answer: unknown, headers: Headers): RawVectors
}

/** Sends one request to the server and gives what `read` makes of the JSON that it answers. */
export type Ask = <T>(question: Question, read: (answer: unknown) => T) => Promise<T>

export interface Question {
  readonly method: Method
  readonly path: string
  readonly body?: object
}

/** What a server says about the model behind it. */
export interface ServedModel {
  readonly model: string
  /** Commit or digest of the weights; empty when the server does not tell. */
  readonly revision: string
  /** Infinity when the server does not tell. */
  readonly maxTokens: number
  /** Texts that it takes in a request; Infinity when it does not tell. */
  readonly maxBatchTexts: number
}

/** An answer with its vectors in the order of the texts: lists of numbers, or base64 of little-endian 32 bit floats. */
export interface RawVectors {
  readonly rows: readonly unknown[]
  /** Tokens that the server has counted; 0 when it does not tell. */
  readonly tokens: number
  /** The model that has answered, when the server tells. */
  readonly model: string | undefined
}

/** What an API takes at most, unless the options say less. */
export interface ApiLimits {
  readonly maxConcurrentRequests: number
  readonly maxBatchTexts: number
  readonly maxBatchCharacters: number
}
