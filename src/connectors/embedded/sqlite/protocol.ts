import type { ErrorCode } from '../../../errors.ts'
import type { DocumentKey, PointId, PointRef } from '../../../model.ts'
import type { SearchOptions } from '../../../topology/processor.ts'

/**
 * What the main thread and the database thread say to each other. Everything is plain data that survives a structured clone;
 * user-typed metadata travels as JSON text, so that a value that cannot be stored is found before it can spoil a batch.
 */
export interface DatabaseCalls {
  open(request: OpenRequest): OpenReply
  apply(batch: PackedBatch): readonly RecordOutcome[]
  observe(keys: readonly DocumentKey[]): readonly PointRef[]
  scan(request: ScanRequest): readonly StoredRow[]
  search(request: SearchRequest): readonly FoundRow[]
  close(): void
}

export type DatabaseMethod = keyof DatabaseCalls
export type Argument<M extends DatabaseMethod> = Parameters<DatabaseCalls[M]>[0]
export type Reply<M extends DatabaseMethod> = ReturnType<DatabaseCalls[M]>

export interface DatabaseRequest {
  readonly id: number
  readonly method: DatabaseMethod
  readonly argument: unknown
}

export type DatabaseResponse =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: PackedError }

/** A StreamError on its way through a message port. */
export interface PackedError {
  readonly code: ErrorCode
  readonly fact: string
  readonly fix: string
}

export interface OpenRequest {
  /** A file, or `:memory:`. */
  readonly path: string
  readonly readOnly: boolean
  /** Undefined: whatever the file holds. */
  readonly dimensions: number | undefined
  readonly pipeline: string
  /** How long to wait for another process that is writing. Milliseconds. */
  readonly busyTimeoutMs: number
}

export interface OpenReply {
  readonly dimensions: number
}

/** Payload and bookkeeping of a point, one property a column. */
export interface PackedPayload extends PointRef {
  readonly at: number
  readonly content: string
  /** JSON. */
  readonly metadata: string
}

export interface PackedPoint extends PackedPayload {
  readonly meaning: string
}

export type PackedOp =
  | { readonly kind: 'upsert'; readonly points: readonly PackedPoint[] }
  | { readonly kind: 'set-payload'; readonly updates: readonly PackedPayload[] }
  | { readonly kind: 'delete'; readonly ids: readonly PointId[] }

/** Several records that are committed together. */
export interface PackedBatch {
  readonly records: readonly (readonly PackedOp[])[]
  /** The vectors of all upserted points, one after the other in the order of the points; unit length. */
  readonly vectors: Float32Array
}

/** A rejected record left no trace; the others of its batch are committed. */
export type RecordOutcome =
  | { readonly kind: 'written' }
  | { readonly kind: 'rejected'; readonly code: 'INDEX_REJECTED' | 'INDEX_DRIFTED'; readonly reason: string }

export interface ScanRequest {
  /** Rows after this one; 0 to begin. */
  readonly after: number
  readonly partition: number | undefined
}

export interface StoredRow extends PackedPayload {
  readonly row: number
}

export interface SearchRequest {
  readonly mode: NonNullable<SearchOptions['mode']>
  readonly limit: number
  readonly text: string
  /** Unit length. */
  readonly vector: Float32Array | undefined
}

export interface FoundRow extends StoredRow {
  readonly score: number
}
