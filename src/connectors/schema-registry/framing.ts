import { StreamError } from '../../errors.ts'

/** The first byte of every framed value: the only version of the format that there is. */
const magicByte = 0
const headerBytes = 5

/** Bytes as a schema registry has them: 0x00, the id of the schema as 4 bytes big-endian, then what the schema describes. */
export interface Frame {
  readonly id: number
  readonly payload: Uint8Array
}

/** Undefined for bytes that are not framed. */
export function schemaIdOf(bytes: Uint8Array): number | undefined {
  const [magic, a, b, c, d] = bytes
  if (magic !== magicByte || a === undefined || b === undefined || c === undefined || d === undefined) return undefined
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** Throws RECORD_UNDECODABLE for bytes that are not framed. */
export function frameOf(bytes: Uint8Array): Frame {
  const id = schemaIdOf(bytes)
  if (id !== undefined) return { id, payload: bytes.subarray(headerBytes) }
  const found = bytes.length < headerBytes ? `has only ${bytes.length} bytes` : `begins with byte ${bytes[0]}, not 0`
  throw new StreamError('RECORD_UNDECODABLE', `the value was not written with a schema registry: it ${found}`, {
    fix: 'Read the topic with the serde that it was written with, such as json.',
  })
}

export function framed(id: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length)
  new DataView(bytes.buffer).setUint32(1, id)
  bytes.set(payload, headerBytes)
  return bytes
}
