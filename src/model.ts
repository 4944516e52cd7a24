/**
 * The vocabulary that flows between the stages of an index pipeline:
 *
 *   document --chunk--> ChunkedDocument --diff--> DocumentChange --embed--> IndexOp[] --> index
 *
 * It lives in the kernel because operators, embedders and connectors all speak it and never import one another.
 */

/** The key of a document: what the producer used as the record key. */
export type DocumentKey = string

/** Plain data that the user attaches to a document; ends up in the payload of each of its points. */
export type Metadata = Readonly<Record<string, unknown>>

/** A piece of a document. Nothing in it says where in the document it stands, so an edit elsewhere leaves it equal. */
export interface Chunk {
  /** The text as it was written: a contiguous range of the document. */
  readonly text: string
  /** The headings in force where the chunk starts: `Guide > Routing > Errors`; empty when there is none. */
  readonly heading: string
  /** What is embedded and hashed: the heading path on a line of its own (when there is one), then the plain text. */
  readonly meaning: string
}

/** A document that was cut into chunks, in document order. An empty or white-space document has none. */
export interface ChunkedDocument {
  readonly chunks: readonly Chunk[]
  readonly metadata: Metadata
}

/**
 * One chunk as the manifest remembers it. Identity inside a document is (hash, occurrence number): the k-th entry with the same
 * hash is occurrence k.
 */
export interface ManifestChunk {
  /** 16 bytes: SHA-256 of `Chunk.meaning`, truncated, as 32 hex digits. */
  readonly hash: string
  /** 8 bytes: SHA-256 of everything else in the payload (text as written, heading, metadata), truncated, as 16 hex digits. */
  readonly payloadHash: string
}

/** What the index is known to hold for one document: the state of `diff`. */
export interface Manifest {
  readonly source: RecordPosition
  /** Hash of (model, weights, pooling, prefix, tokenizer, chunker and its version): see `pipelineId`. */
  readonly pipeline: string
  readonly chunks: readonly ManifestChunk[]
  /** The index may hold something else (dead letter, rejected write): look before the next diff. */
  readonly dirty: boolean
}

export interface RecordPosition {
  readonly partition: number
  readonly offset: number
}

/** Identifies a point: a UUIDv5 of (pipeline, document key, chunk hash, occurrence). The same bytes always get the same id. */
export type PointId = string

/** What is stored beside a vector. `content` and `metadata` are what LangChain.js reads by default. */
export interface PointPayload {
  readonly content: string
  readonly metadata: Metadata & { readonly source: DocumentKey; readonly heading: string }
  readonly _millrace: PointBookkeeping
}

export interface PointBookkeeping {
  readonly doc: DocumentKey
  readonly partition: number
  /** `ManifestChunk.hash` */
  readonly hash: string
  /** `ManifestChunk.payloadHash` */
  readonly payload: string
  /** Occurrence number of the hash inside the document, from 0. */
  readonly occurrence: number
  readonly pipeline: string
  /** Event time of the version that wrote the point, milliseconds since the epoch. */
  readonly at: number
}

/** A point that the diff wants written; its vector is still missing. */
export interface PendingPoint {
  readonly id: PointId
  /** The text to embed: `Chunk.meaning`. */
  readonly meaning: string
  readonly payload: PointPayload
}

export interface PayloadUpdate {
  readonly id: PointId
  readonly payload: PointPayload
}

export type ChangeKind = 'new' | 'changed' | 'metadata-only' | 'deleted'

/** What `diff` emits: the smallest change that makes the index hold the new version of one document. Never empty. */
export interface DocumentChange {
  readonly kind: ChangeKind
  readonly upserts: readonly PendingPoint[]
  /** Chunks that stay but whose payload changed: no embedding. */
  readonly payloads: readonly PayloadUpdate[]
  readonly deletes: readonly PointId[]
  /** Chunks that stay untouched. */
  readonly reused: number
}

/** A point as it is written. The vector has the dimensions of the index and unit length. */
export interface Point {
  readonly id: PointId
  readonly vector: Float32Array
  readonly payload: PointPayload
  /** The text behind the vector, for full-text search. */
  readonly meaning: string
  /** The text was longer than the model can read: the vector is that of its beginning. Told to observers, not stored. */
  readonly truncated?: true
}

/** One operation on an index. Operations of one document are applied in order; each is idempotent. */
export type IndexOp =
  | { readonly kind: 'upsert'; readonly points: readonly Point[] }
  | { readonly kind: 'set-payload'; readonly updates: readonly PayloadUpdate[] }
  | { readonly kind: 'delete'; readonly ids: readonly PointId[] }

/** A point seen from outside, as `scan` and `observe` return it: enough to compare with a manifest. */
export interface PointRef {
  readonly id: PointId
  readonly doc: DocumentKey
  readonly partition: number
  readonly hash: string
  readonly payloadHash: string
  readonly occurrence: number
  readonly pipeline: string
}

export interface Hit {
  readonly id: PointId
  /** Larger is better. Comparable only within one result list. */
  readonly score: number
  readonly payload: PointPayload
}
