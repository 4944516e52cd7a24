import { reasonOf, StreamError } from '../../../errors.ts'
import type { IndexOp, PayloadUpdate, Point } from '../../../model.ts'
import type { StoredPoint } from '../../../topology/processor.ts'
import type { PackedOp, PackedPayload, PackedPoint, StoredRow } from './protocol.ts'

/** The operations of one record, checked and ready for the database thread. */
export interface PackedRecord {
  readonly operations: readonly PackedOp[]
  /** Unit length, in the order of the points. */
  readonly vectors: readonly Float32Array[]
  readonly points: number
  readonly payloads: number
  readonly deletes: number
  /** About how much memory the texts take. */
  readonly characters: number
}

/** Checks and packs the operations of one record; INDEX_REJECTED names what cannot be stored. Empty operations are left out. */
export function packRecord(operations: readonly IndexOp[], dimensions: number): PackedRecord {
  const packed: PackedOp[] = []
  const vectors: Float32Array[] = []
  let [payloads, deletes] = [0, 0]
  for (const operation of operations) {
    if (operation.kind === 'upsert') {
      vectors.push(...operation.points.map(({ id, vector }) => unitVector(vector, dimensions, `point ${id}`)))
      packed.push({ kind: 'upsert', points: operation.points.map(packPoint) })
    } else if (operation.kind === 'set-payload') {
      payloads += operation.updates.length
      packed.push({ kind: 'set-payload', updates: operation.updates.map(packPayload) })
    } else {
      deletes += operation.ids.length
      packed.push(operation)
    }
  }
  const characters = packed.reduce((sum, operation) => sum + charactersOf(operation), 0)
  return { operations: packed, vectors, points: vectors.length, payloads, deletes, characters }
}

function charactersOf(operation: PackedOp): number {
  if (operation.kind === 'delete') return 0
  if (operation.kind === 'set-payload')
    return operation.updates.reduce((sum, update) => sum + payloadCharacters(update), 0)
  return operation.points.reduce((sum, point) => sum + payloadCharacters(point) + point.meaning.length, 0)
}

function payloadCharacters({ content, metadata }: PackedPayload): number {
  return content.length + metadata.length
}

/** `vector` with length 1, as cosine search wants it; INDEX_REJECTED when it cannot have one. */
export function unitVector(vector: Float32Array, dimensions: number, owner: string): Float32Array {
  if (vector.length !== dimensions)
    throw new StreamError('INDEX_REJECTED', `the vector of ${owner} has ${vector.length} dimensions, not ${dimensions}`)
  let squares = 0
  for (const value of vector) squares += value * value
  if (!Number.isFinite(squares) || squares === 0)
    throw new StreamError(
      'INDEX_REJECTED',
      `the vector of ${owner} has no direction: its numbers are infinite, NaN or all zero`,
    )
  // What an embedder normalized stays bit for bit as it is.
  if (Math.abs(squares - 1) < 1e-5) return vector
  const length = Math.sqrt(squares)
  return vector.map((value) => value / length)
}

function packPoint(point: Point): PackedPoint {
  return { ...packPayload(point), meaning: point.meaning }
}

function packPayload({ id, payload }: PayloadUpdate): PackedPayload {
  const { payload: payloadHash, ...bookkeeping } = payload._millrace
  return { id, ...bookkeeping, payloadHash, content: payload.content, metadata: packMetadata(id, payload.metadata) }
}

function packMetadata(id: string, metadata: object): string {
  try {
    return JSON.stringify(metadata)
  } catch (cause) {
    throw new StreamError('INDEX_REJECTED', `the metadata of point ${id} is not JSON: ${reasonOf(cause)}`, { cause })
  }
}

export function unpackPoint({ content, metadata, at, id, ...ref }: StoredRow): StoredPoint {
  const { doc, partition, hash, payloadHash, occurrence, pipeline } = ref
  return {
    id,
    doc,
    partition,
    hash,
    payloadHash,
    occurrence,
    pipeline,
    payload: {
      content,
      metadata: JSON.parse(metadata),
      _millrace: { doc, partition, hash, payload: payloadHash, occurrence, pipeline, at },
    },
  }
}
