import { StreamError } from '../../errors.ts'
import type { Manifest, ManifestChunk } from '../../model.ts'
import type { Serde } from '../../serde.ts'

/**
 * Format 1:
 *
 *   byte     format, 1
 *   byte     flags: 1 dirty, 2 the pipeline is hex digits, two to a byte
 *   varint   source partition
 *   varint   source offset + 1
 *   varint   bytes of the pipeline, then the pipeline
 *   24 bytes a chunk, up to the end: 16 of its hash, 8 of its payload's hash
 */
const format = 1
const dirtyFlag = 1
const hexFlag = 2
const chunkBytes = 24
const hashDigits = 32
const chunkDigits = 2 * chunkBytes
/** A varint of 2^53. */
const longestVarint = 8
const hexDigits = /^(?:[0-9a-f]{2})*$/

/**
 * Manifests in the store of `diff`: at most 24 bytes a chunk and 50 around them. Reading throws STATE_FORMAT for a newer format and
 * STATE_CORRUPT for bytes that are no manifest: the store is then restored from its changelog.
 */
export const manifestSerde: Serde<Manifest> = {
  name: 'manifest',
  serialize(manifest) {
    const { source, pipeline, chunks, dirty } = manifest
    const encoding = hexDigits.test(pipeline) ? 'hex' : 'utf8'
    const bytes = Buffer.allocUnsafe(2 + 3 * longestVarint + Buffer.byteLength(pipeline) + chunks.length * chunkBytes)
    bytes[0] = format
    bytes[1] = (dirty ? dirtyFlag : 0) | (encoding === 'hex' ? hexFlag : 0)
    let at = writeVarint(bytes, source.partition, 2)
    at = writeVarint(bytes, source.offset + 1, at)
    at = writeVarint(bytes, Buffer.byteLength(pipeline, encoding), at)
    at += bytes.write(pipeline, at, encoding)
    let digits = ''
    for (const chunk of chunks) digits += chunk.hash + chunk.payloadHash
    return bytes.subarray(0, at + bytes.write(digits, at, 'hex'))
  },
  deserialize(data) {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (bytes[0] !== format) throw unknownFormat(bytes[0])
    const flags = bytes[1] ?? 0
    const partition = readVarint(bytes, 2)
    const offset = readVarint(bytes, partition.next)
    const length = readVarint(bytes, offset.next)
    const chunksAt = length.next + length.value
    if (chunksAt > bytes.length || (bytes.length - chunksAt) % chunkBytes !== 0) throw corrupt(bytes)
    return {
      source: { partition: partition.value, offset: offset.value - 1 },
      pipeline: bytes.toString((flags & hexFlag) === 0 ? 'utf8' : 'hex', length.next, chunksAt),
      chunks: readChunks(bytes.toString('hex', chunksAt)),
      dirty: (flags & dirtyFlag) !== 0,
    }
  },
}

function readChunks(digits: string): ManifestChunk[] {
  const chunks: ManifestChunk[] = []
  for (let at = 0; at < digits.length; at += chunkDigits) {
    chunks.push({
      hash: digits.slice(at, at + hashDigits),
      payloadHash: digits.slice(at + hashDigits, at + chunkDigits),
    })
  }
  return chunks
}

/** Seven bits a byte, the low ones first. Division instead of shifts: an offset may need more than 32 bits. */
function writeVarint(bytes: Buffer, value: number, at: number): number {
  let rest = value
  let next = at
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[next++] = (rest % 0x80) | 0x80
  bytes[next++] = rest
  return next
}

function readVarint(bytes: Buffer, at: number): { readonly value: number; readonly next: number } {
  let value = 0
  let scale = 1
  for (let next = at; next < at + longestVarint; next++) {
    const byte = bytes[next]
    if (byte === undefined) break
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return { value, next: next + 1 }
    scale *= 0x80
  }
  throw corrupt(bytes)
}

function unknownFormat(found: number | undefined): StreamError {
  if (found === undefined) return new StreamError('STATE_CORRUPT', 'a manifest is empty')
  return new StreamError('STATE_FORMAT', `a manifest has format ${found}, this version reads format ${format}`)
}

function corrupt(bytes: Buffer): StreamError {
  return new StreamError('STATE_CORRUPT', `a manifest of ${bytes.length} bytes cannot be read`)
}
