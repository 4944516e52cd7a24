/** Reads what the group coordinator wrote down: every commit and every generation of a group, in order. */
import type { Broker, LogRecord } from '../src/runtime/broker.ts'

export interface Commit {
  readonly at: number
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly metadata: string
}

export interface CommitLog {
  readonly commits: readonly Commit[]
  /** When each generation of the group had its assignment. */
  readonly generations: readonly number[]
}

/**
 * Polling the committed offsets would miss a dip; the log of the coordinator misses nothing. It has one partition in our test broker, and
 * is not compacted before it has 100 MB.
 */
export async function readCommitLog(broker: Broker, group: string): Promise<CommitLog> {
  const commits: Commit[] = []
  const generations: number[] = []
  for await (const { records } of broker.read({ topic: '__consumer_offsets', partition: 0 }, 0)) {
    for (const record of records) {
      const entry = entryOf(record, group)
      if (entry === 'generation') generations.push(record.timestamp)
      else if (entry) commits.push(entry)
    }
  }
  return { commits, generations }
}

/** Versions of the key: 0 and 1 are a committed offset, 2 is the group. */
const lastOffsetKey = 1
const groupKey = 2

/** Undefined for other groups, and for what is deleted. */
function entryOf({ key, value, timestamp }: LogRecord, group: string): Commit | 'generation' | undefined {
  if (!key || !value) return undefined
  const reader = new Reader(key)
  const kind = reader.int16()
  if (kind > groupKey || reader.string() !== group) return undefined
  if (kind === groupKey) return 'generation'
  return kind <= lastOffsetKey ? commitOf(reader, new Reader(value), timestamp) : undefined
}

/** OffsetCommitKey and OffsetCommitValue of Kafka, versions 0 to 4; the last one has compact strings. */
function commitOf(key: Reader, value: Reader, at: number): Commit {
  const topic = key.string()
  const partition = key.int32()
  const version = value.int16()
  if (version > 4) throw new Error(`the coordinator writes commits in version ${version}, which is not known here`)
  const offset = value.int64()
  if (version >= 3) value.int32()
  return { at, topic, partition, offset, metadata: version === 4 ? value.compactString() : value.string() }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  int16(): number {
    this.#at += 2
    return this.#bytes.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }

  int64(): number {
    this.#at += 8
    return Number(this.#bytes.readBigInt64BE(this.#at - 8))
  }

  string(): string {
    return this.#text(this.int16())
  }

  /** An unsigned varint, one more than the length, comes before it. */
  compactString(): string {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++)
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) return this.#text(length - 1)
    }
  }

  #text(length: number): string {
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }
}
