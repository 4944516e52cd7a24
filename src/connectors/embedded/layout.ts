import type { CommitOffset, TopicSpec } from '../../runtime/broker.ts'
import type { ByteRange } from '../../state/store.ts'

/**
 * Where everything of an embedded log lies in its one byte store. The first byte tells the kind; numbers are big-endian, so that the
 * records of a partition are neighbours in offset order.
 *
 *   'f'                                              version of this layout
 *   't' topic                                        topic id, partitions, cleanup, settings (JSON)
 *   'n' topic id, partition                          next offset
 *   'c' topic id, partition                          first offset, and how far compaction has come
 *   'r' topic id, partition, offset                  record
 *   'g' length of group, group, topic id, partition  committed offset and its metadata
 */
export const formatVersion = 1

/** A topic as it is stored. Records carry the id and not the name, which may be long. */
export interface Topic {
  readonly id: number
  readonly name: string
  readonly partitions: number
  readonly cleanup: NonNullable<TopicSpec['cleanup']>
  readonly settings: Readonly<Record<string, string>>
}

/** How far a partition was cleaned. */
export interface Cleaning {
  /** First offset that may be read: retention removed what was below. */
  readonly start: number
  /** Compaction has seen everything below. */
  readonly cleanedTo: number
  /** Records that are left below `cleanedTo`. */
  readonly cleanedRecords: number
}

export type Committed = Required<Pick<CommitOffset, 'offset' | 'metadata'>>

const kinds = { format: 0x66, topic: 0x74, next: 0x6e, cleaning: 0x63, record: 0x72, group: 0x67 } as const
const highBits = 2 ** 32

export const formatKey: Uint8Array = Uint8Array.of(kinds.format)

export const topicRange: ByteRange = { gte: Uint8Array.of(kinds.topic), lt: Uint8Array.of(kinds.topic + 1) }

export function topicKey(name: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(kinds.topic), Buffer.from(name)])
}

export function nextOffsetKey(topicId: number, partition: number): Uint8Array {
  return partitionKey(kinds.next, topicId, partition)
}

export function cleaningKey(topicId: number, partition: number): Uint8Array {
  return partitionKey(kinds.cleaning, topicId, partition)
}

/** Topic id and partition, at the end of the key. */
const committedPlaceBytes = 8

export function committedKey(group: string, topicId: number, partition: number): Uint8Array {
  const name = Buffer.from(group)
  const key = Buffer.allocUnsafe(1 + 4 + name.length + committedPlaceBytes)
  key[0] = kinds.group
  key.writeUInt32BE(name.length, 1)
  key.set(name, 5)
  key.writeUInt32BE(topicId, 5 + name.length)
  key.writeUInt32BE(partition, 9 + name.length)
  return key
}

/** All that a group has committed. */
export function committedRange(group: string): ByteRange {
  const prefix = committedKey(group, 0, 0).subarray(0, -committedPlaceBytes)
  return { gte: prefix, lt: Buffer.concat([prefix, Buffer.alloc(committedPlaceBytes + 1, 0xff)]) }
}

export function topicIdOfCommittedKey(key: Uint8Array): number {
  return bufferOf(key).readUInt32BE(key.length - committedPlaceBytes)
}

/** What all groups have committed. */
export const allCommittedRange: ByteRange = { gte: Uint8Array.of(kinds.group), lt: Uint8Array.of(kinds.group + 1) }

const recordKeyBytes = 17

export function recordKey(topicId: number, partition: number, offset: number): Uint8Array {
  const key = Buffer.allocUnsafe(recordKeyBytes)
  key[0] = kinds.record
  key.writeUInt32BE(topicId, 1)
  key.writeUInt32BE(partition, 5)
  writeOffset(key, offset, 9)
  return key
}

/** All records of a topic. */
export function recordRange(topicId: number): ByteRange {
  return { gte: recordKey(topicId, 0, 0), lt: recordKey(topicId + 1, 0, 0) }
}

export function offsetOfRecordKey(key: Uint8Array): number {
  return readOffset(bufferOf(key), 9)
}

export function encodeOffset(offset: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  writeOffset(bytes, offset, 0)
  return bytes
}

export function decodeOffset(bytes: Uint8Array): number {
  return readOffset(bufferOf(bytes), 0)
}

export function encodeTopic(topic: Topic): Uint8Array {
  return Buffer.from(JSON.stringify(topic))
}

export function decodeTopic(bytes: Uint8Array): Topic {
  return JSON.parse(bufferOf(bytes).toString()) as Topic
}

export function encodeCleaning(cleaning: Cleaning): Uint8Array {
  return Buffer.concat([cleaning.start, cleaning.cleanedTo, cleaning.cleanedRecords].map(encodeOffset))
}

export function decodeCleaning(bytes: Uint8Array): Cleaning {
  const buffer = bufferOf(bytes)
  return { start: readOffset(buffer, 0), cleanedTo: readOffset(buffer, 8), cleanedRecords: readOffset(buffer, 16) }
}

export function encodeCommitted(committed: Committed): Uint8Array {
  return Buffer.concat([encodeOffset(committed.offset), Buffer.from(committed.metadata)])
}

export function decodeCommitted(bytes: Uint8Array): Committed {
  const buffer = bufferOf(bytes)
  return { offset: readOffset(buffer, 0), metadata: buffer.toString('utf8', 8) }
}

/** The same bytes with the methods of Buffer. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function partitionKey(kind: number, topicId: number, partition: number): Uint8Array {
  const key = Buffer.allocUnsafe(9)
  key[0] = kind
  key.writeUInt32BE(topicId, 1)
  key.writeUInt32BE(partition, 5)
  return key
}

/** Offsets are safe integers: two 32-bit halves are several times faster than a BigInt. */
function writeOffset(buffer: Buffer, offset: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(offset / highBits), at)
  buffer.writeUInt32BE(offset % highBits, at + 4)
}

function readOffset(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * highBits + buffer.readUInt32BE(at + 4)
}
