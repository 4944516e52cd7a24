import { hash } from 'node:crypto'
import { reasonOf, StreamError } from '../../errors.ts'
import type {
  Chunk,
  ChunkedDocument,
  DocumentKey,
  Manifest,
  ManifestChunk,
  Metadata,
  PendingPoint,
  PointId,
} from '../../model.ts'
import { pointIds } from './point-id.ts'

/** Where and when a version of a document was read, and for which pipeline. */
export interface PointOrigin {
  readonly pipeline: string
  readonly partition: number
  /** Event time, milliseconds since the epoch. */
  readonly at: number
}

/** One point that the index shall hold, and what the manifest remembers of it. */
export interface WantedPoint extends PendingPoint {
  readonly chunk: ManifestChunk
}

/** The points of one version of a document, in document order. Throws RECORD_UNENCODABLE when its metadata has no JSON form. */
export function wantedPoints(key: DocumentKey, document: ChunkedDocument, origin: PointOrigin): WantedPoint[] {
  const { pipeline, partition, at } = origin
  const metadata = plainMetadata(key, document.metadata)
  // The event time is left out: it changes with every version.
  const commonHash = sha256(JSON.stringify([partition, metadata]))
  const idOf = pointIds(pipeline)
  const occurrenceOf = occurrences()
  return document.chunks.map((chunk) => {
    const { text, heading, meaning } = chunk
    const chunkHash = hashOf(chunk, commonHash)
    const occurrence = occurrenceOf(chunkHash.hash)
    return {
      id: idOf({ key, hash: chunkHash.hash, occurrence }),
      meaning,
      chunk: chunkHash,
      payload: {
        content: text,
        metadata: { ...metadata, source: key, heading },
        _millrace: {
          doc: key,
          partition,
          hash: chunkHash.hash,
          payload: chunkHash.payloadHash,
          occurrence,
          pipeline,
          at,
        },
      },
    }
  })
}

/** The ids that a manifest says the index holds, each with the hash of its payload. */
export function manifestPoints(key: DocumentKey, manifest: Manifest): Map<PointId, ManifestChunk> {
  const idOf = pointIds(manifest.pipeline)
  const occurrenceOf = occurrences()
  return new Map(
    manifest.chunks.map((chunk) => [idOf({ key, hash: chunk.hash, occurrence: occurrenceOf(chunk.hash) }), chunk]),
  )
}

/** Counts how often each hash came before. */
function occurrences(): (hash: string) => number {
  const counts = new Map<string, number>()
  return (hash) => {
    const count = counts.get(hash) ?? 0
    counts.set(hash, count + 1)
    return count
  }
}

/** `commonHash` stands for what all payloads of a version share. A heading has no line breaks: no two payloads join to one text. */
function hashOf({ meaning, heading, text }: Chunk, commonHash: string): ManifestChunk {
  return {
    hash: sha256(meaning).slice(0, 32),
    payloadHash: sha256(`${commonHash}\n${heading}\n${text}`).slice(0, 16),
  }
}

function sha256(text: string): string {
  return hash('sha256', text, 'hex')
}

/** The metadata as JSON has it (dates as text, nothing undefined), keys in order so that two spellings are equal. */
function plainMetadata(key: DocumentKey, metadata: Metadata): Metadata {
  const plain = jsonOf(key, metadata)
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw unencodable(key, 'it is not an object')
  return sorted(plain) as Metadata
}

function jsonOf(key: DocumentKey, metadata: Metadata): unknown {
  try {
    return JSON.parse(JSON.stringify(metadata))
  } catch (cause) {
    throw unencodable(key, reasonOf(cause), cause)
  }
}

function unencodable(key: DocumentKey, reason: string, cause?: unknown): StreamError {
  return new StreamError('RECORD_UNENCODABLE', `the metadata of document "${key}" has no JSON form: ${reason}`, {
    fix: 'Let `metadata` return plain data.',
    cause,
    details: { key },
  })
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]))
}
