import { hash } from 'node:crypto'
import type { DocumentKey, PointId } from '../../model.ts'

/** What a point is, independent of what it says now. */
export interface PointIdentity {
  readonly key: DocumentKey
  /** `ManifestChunk.hash` */
  readonly hash: string
  readonly occurrence: number
}

/** A random UUID, chosen once: the namespace of the namespaces. */
const millrace = Buffer.from('b5c1f1a09d2e4c58a3c05f6e0b7d9a41', 'hex')

/**
 * The ids of one pipeline's points: UUIDv5 (RFC 9562) of the document key, the chunk's hash and its occurrence number, in a namespace
 * that is the UUIDv5 of the pipeline. The same point gets the same id on every machine and in every replay; other pipelines get others.
 */
export function pointIds(pipeline: string): (identity: PointIdentity) => PointId {
  const namespace = nameBased(millrace, pipeline)
  return ({ key, hash, occurrence }) => formatted(nameBased(namespace, `${hash}/${occurrence}/${key}`))
}

/** The 16 bytes of a UUIDv5, as hex digits or for use as a namespace. */
function nameBased(namespace: Uint8Array, name: string): Buffer {
  const bytes = hash('sha1', Buffer.concat([namespace, Buffer.from(name)]), 'buffer').subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes
}

function formatted(uuid: Buffer): PointId {
  const digits = uuid.toString('hex')
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  )
}
