import { type Header, type Headers, noHeaders } from '../../record.ts'
import type { LogRecord, ProducerRecord } from '../../runtime/broker.ts'
import { bufferOf } from './layout.ts'

/**
 * A record as bytes; numbers are big-endian, a length of -1 stands for null:
 *
 *   timestamp f64, key length i32, value length i32, number of headers u32, [removable at f64, only in a tombstone],
 *   key, value, and for each header: key length u32, value length i32, key, value
 *
 * "Removable at" is unknown until compaction has met the tombstone for the first time: from then on it is kept for a while, so that
 * whoever has read the value that it deletes still gets to see the tombstone.
 */
const fixedBytes = 20
const removableAtBytes = 8
const headerBytes = 8
const unknown = -1

/** Bytes that the broker counts against `max.message.bytes`. */
export function sizeOf(record: ProducerRecord): number {
  let bytes = fixedBytes + removableAtBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const header of record.headers)
    bytes += headerBytes + Buffer.byteLength(header.key) + (header.value?.length ?? 0)
  return bytes
}

export function encodeRecord(record: Omit<ProducerRecord, 'topic' | 'partition'>, removableAt = unknown): Uint8Array {
  const headers = record.headers.map(({ key, value }) => ({ key: Buffer.from(key), value }))
  const start = fixedBytes + (record.value === null ? removableAtBytes : 0)
  const headersBytes = headers.reduce((sum, { key, value }) => sum + headerBytes + key.length + (value?.length ?? 0), 0)
  const bytes = Buffer.allocUnsafe(start + (record.key?.length ?? 0) + (record.value?.length ?? 0) + headersBytes)
  bytes.writeDoubleBE(record.timestamp, 0)
  bytes.writeInt32BE(record.key?.length ?? -1, 8)
  bytes.writeInt32BE(record.value?.length ?? -1, 12)
  bytes.writeUInt32BE(headers.length, 16)
  if (record.value === null) bytes.writeDoubleBE(removableAt, fixedBytes)
  let at = start
  const append = (part: Uint8Array | null) => {
    if (part === null) return
    bytes.set(part, at)
    at += part.length
  }
  append(record.key)
  append(record.value)
  for (const { key, value } of headers) {
    at = bytes.writeUInt32BE(key.length, at)
    at = bytes.writeInt32BE(value?.length ?? -1, at)
    append(key)
    append(value)
  }
  return bytes
}

/** Key, value and headers are views into `bytes`, not copies. */
export function decodeRecord(offset: number, bytes: Uint8Array): LogRecord {
  const buffer = bufferOf(bytes)
  const keyLength = buffer.readInt32BE(8)
  const valueLength = buffer.readInt32BE(12)
  const keyAt = fixedBytes + (valueLength < 0 ? removableAtBytes : 0)
  const valueAt = keyAt + Math.max(0, keyLength)
  return {
    offset,
    timestamp: buffer.readDoubleBE(0),
    key: part(buffer, keyAt, keyLength),
    value: part(buffer, valueAt, valueLength),
    headers: decodeHeaders(buffer, valueAt + Math.max(0, valueLength)),
  }
}

/** Clock time in milliseconds from which compaction may remove a tombstone; undefined when it has not met it yet. */
export function removableAtOf(tombstone: Uint8Array): number | undefined {
  const removableAt = bufferOf(tombstone).readDoubleBE(fixedBytes)
  return removableAt === unknown ? undefined : removableAt
}

function part(buffer: Buffer, at: number, length: number): Uint8Array | null {
  return length < 0 ? null : buffer.subarray(at, at + length)
}

function decodeHeaders(buffer: Buffer, start: number): Headers {
  const count = buffer.readUInt32BE(16)
  if (count === 0) return noHeaders
  const headers: Header[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    const keyLength = buffer.readUInt32BE(at)
    const valueLength = buffer.readInt32BE(at + 4)
    const valueAt = at + headerBytes + keyLength
    headers.push({
      key: buffer.toString('utf8', at + headerBytes, valueAt),
      value: part(buffer, valueAt, valueLength),
    })
    at = valueAt + Math.max(0, valueLength)
  }
  return headers
}
