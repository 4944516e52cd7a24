import type { Header } from '../../record.ts'
import type { DecodedBatch, Decoder, EncodedRecord, FetchedRecord, RecordToEncode } from './internals.ts'

type DecodeRecord = (decoder: Decoder, context: object) => FetchedRecord
type DecodeBatch = (decoder: Decoder) => Promise<DecodedBatch>
type EncodeRecord = (record: RecordToEncode) => EncodedRecord

/** Adds `headerList` to each record: its headers in their order, repeated keys and null values included. */
export function keepingHeaderOrder(decode: DecodeRecord): DecodeRecord {
  return (decoder, context) => {
    let headerList: readonly Header[] = []
    const readVarIntArray = decoder.readVarIntArray
    // The headers are the one array of a record; the list is taken on its way into the map.
    decoder.readVarIntArray = <T>(read: (decoder: Decoder) => T): T[] => {
      const list = readVarIntArray.call(decoder, read) as T[] & Header[]
      headerList = list
      return list
    }
    return Object.assign(decode(decoder, context), { headerList })
  }
}

/**
 * Ends a batch with an (empty) control record at its last offset when compaction has removed the records there.
 *
 * KafkaJS takes its position from the last record that it sees: in a batch that compaction emptied, it would ask for the same offset for
 * ever, and in one whose tail is gone it would go on one offset a request. Control records are never delivered, but move the position.
 */
export function endingAtLastOffset(decode: DecodeBatch): DecodeBatch {
  return async (decoder) => {
    const batch = await decode(decoder)
    const { records, ...context } = batch
    const lastOffset = String(Number(batch.firstOffset) + batch.lastOffsetDelta)
    if (records.at(-1)?.offset !== lastOffset)
      records.push({
        offset: lastOffset,
        timestamp: '-1',
        key: null,
        value: null,
        isControlRecord: true,
        batchContext: context,
        headerList: [],
      })
    return batch
  }
}

/** Encodes records whose headers are a list; KafkaJS encodes the others. It takes a map, and no header without a value. */
export function encodingHeaderLists(encode: EncodeRecord): EncodeRecord {
  return (record) => {
    if (!isHeaderList(record.headers)) return encode(record)
    const bytes = encodeRecord(record, record.headers)
    return { buf: bytes, buffer: bytes }
  }
}

function isHeaderList(headers: RecordToEncode['headers']): headers is readonly Header[] {
  return Array.isArray(headers)
}

/**
 * Record of format 2: length, attributes, timestamp delta, offset delta, key, value, headers; numbers as zigzag varints
 * (https://kafka.apache.org/documentation/#record).
 */
function encodeRecord(record: RecordToEncode, headers: readonly Header[]): Buffer {
  const { timestampDelta = 0, offsetDelta = 0, key, value } = record
  const headerParts = headers.flatMap((header) => [Buffer.from(header.key), header.value])
  const attributesSize = 1
  let length = attributesSize + varintSize(timestampDelta) + varintSize(offsetDelta) + varintSize(headers.length)
  length += bytesSize(key) + bytesSize(value)
  for (const part of headerParts) length += bytesSize(part)
  const target = Buffer.allocUnsafe(varintSize(length) + length)
  let position = writeVarint(target, 0, length)
  position = target.writeInt8(0, position)
  position = writeVarint(target, position, timestampDelta)
  position = writeVarint(target, position, offsetDelta)
  position = writeBytes(target, position, key)
  position = writeBytes(target, position, value)
  position = writeVarint(target, position, headers.length)
  for (const part of headerParts) position = writeBytes(target, position, part)
  return target
}

/** Arithmetic instead of shifts: a timestamp delta may need more than 32 bits. */
function zigzag(number: number): number {
  return number < 0 ? -2 * number - 1 : 2 * number
}

function varintSize(number: number): number {
  let size = 1
  for (let rest = zigzag(number); rest >= 128; rest = Math.floor(rest / 128)) size++
  return size
}

function bytesSize(bytes: Uint8Array | null): number {
  return bytes ? varintSize(bytes.length) + bytes.length : varintSize(-1)
}

function writeVarint(target: Buffer, position: number, number: number): number {
  let rest = zigzag(number)
  let next = position
  for (; rest >= 128; rest = Math.floor(rest / 128)) next = target.writeUInt8((rest % 128) + 128, next)
  return target.writeUInt8(rest, next)
}

function writeBytes(target: Buffer, position: number, bytes: Uint8Array | null): number {
  const start = writeVarint(target, position, bytes?.length ?? -1)
  if (bytes) target.set(bytes, start)
  return start + (bytes?.length ?? 0)
}
