import { crc32 } from 'node:zlib'
import { type CacheKey, keyBytes } from './cache-key.ts'

/** What is remembered of a text. */
export interface CacheEntry {
  readonly key: CacheKey
  readonly vector: Float32Array
  /** When the vector was made: milliseconds of the clock. */
  readonly madeAt: number
  /** The text had more tokens than the model reads. */
  readonly truncated: boolean
}

const madeAtOffset = keyBytes
const truncatedOffset = madeAtOffset + 8
const vectorOffset = truncatedOffset + 1
const checksumBytes = 4

/** Size of an encoded entry. */
export function entryBytes(dimensions: number): number {
  return vectorOffset + dimensions * Float32Array.BYTES_PER_ELEMENT + checksumBytes
}

/** Key (32 bytes), time (float64), truncated (0 or 1), vector (float32 each), CRC-32 of all that. Little-endian, as all that Node runs on here. */
export function encodeEntry({ key, vector, madeAt, truncated }: CacheEntry): Uint8Array {
  const bytes = Buffer.allocUnsafe(entryBytes(vector.length))
  bytes.write(key, 'latin1')
  bytes.writeDoubleLE(madeAt, madeAtOffset)
  bytes.writeUInt8(truncated ? 1 : 0, truncatedOffset)
  bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), vectorOffset)
  const end = bytes.length - checksumBytes
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end)
  return bytes
}

/** Undefined when the bytes are damaged, or hold something that no embedder of that many dimensions makes. */
export function decodeEntry(encoded: Uint8Array, dimensions: number): CacheEntry | undefined {
  if (encoded.length !== entryBytes(dimensions)) return undefined
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  const end = bytes.length - checksumBytes
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return undefined
  const vector = new Float32Array(dimensions)
  new Uint8Array(vector.buffer).set(bytes.subarray(vectorOffset, end))
  if (!isVector(vector, dimensions)) return undefined
  return {
    key: encodedKey(bytes),
    vector,
    madeAt: bytes.readDoubleLE(madeAtOffset),
    truncated: bytes.readUInt8(truncatedOffset) === 1,
  }
}

/** The key of an encoded entry, whatever has become of the rest. */
export function encodedKey(encoded: Uint8Array): CacheKey {
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength).toString('latin1', 0, keyBytes)
}

/** So many finite numbers. */
export function isVector(vector: Float32Array, dimensions: number): boolean {
  return vector.length === dimensions && vector.every(Number.isFinite)
}
