import type { Clock } from '../../clock.ts'
import { StreamError, toStreamError } from '../../errors.ts'
import type { StreamRecord } from '../../record.ts'
import type { AnySource } from '../../topology/topology.ts'
import type { LogRecord, ReadBatch } from '../broker.ts'
import { Preparation, type PreparationOptions } from './preparation.ts'

/** The next record of a partition: read, or found to be unreadable. */
export type QueueHead =
  | { readonly kind: 'record'; readonly raw: LogRecord; readonly record: StreamRecord<unknown, unknown> }
  | { readonly kind: 'null-key'; readonly raw: LogRecord }
  | { readonly kind: 'undecodable'; readonly raw: LogRecord; readonly error: StreamError }

/**
 * Fetched records of one partition that the task has not taken yet. Records are decoded when they come to the head, because only the
 * head's timestamp is needed to choose between partitions.
 */
export class PartitionQueue {
  readonly #source: AnySource
  readonly #preparation: Preparation
  readonly #clock: Clock
  #batches: { readonly records: readonly LogRecord[]; index: number }[] = []
  #head: QueueHead | undefined
  #bytes = 0
  #length = 0
  #fetched: number
  #time: number

  /** `time` is the largest timestamp before the position, -1 before the first record. */
  constructor(source: AnySource, position: number, options: PreparationOptions, time = -1) {
    this.#source = source
    this.#clock = options.clock
    this.#preparation = new Preparation(source, options)
    this.#fetched = position
    this.#time = time
  }

  /** The largest timestamp of what was taken; -1 before the first record. */
  get time(): number {
    return this.#time
  }

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#length
  }

  /** Offset after everything that was ever added. */
  get fetched(): number {
    return this.#fetched
  }

  /** Next offset to take: that of the head, or what comes after everything fetched. */
  get position(): number {
    return this.#peekRaw()?.offset ?? this.#fetched
  }

  add(batch: ReadBatch): void {
    const fresh = batch.records.filter((record) => record.offset >= this.#fetched)
    this.#fetched = Math.max(this.#fetched, batch.next)
    if (fresh.length === 0) return
    this.#batches.push({ records: fresh, index: 0 })
    this.#length += fresh.length
    for (const record of fresh) this.#bytes += sizeOf(record)
  }

  /** The head cannot be read yet. */
  get isPreparing(): boolean {
    return this.#preparation.isUnderWay
  }

  /** The next record, decoded; undefined when the queue is empty, and while something is missing to read it. */
  head(): QueueHead | undefined {
    if (this.#head) return this.#head
    const raw = this.#peekRaw()
    if (!raw) return undefined
    const isKeyless = raw.key === null && !this.#source.key.nullable
    if (!isKeyless && this.#preparation.isNeededBy(raw)) return undefined
    this.#head = isKeyless ? { kind: 'null-key', raw } : this.#decode(raw)
    return this.#head
  }

  /** Removes and returns what `head` shows. */
  take(): QueueHead | undefined {
    const head = this.head()
    const batch = this.#batches[0]
    if (!head || !batch) return undefined
    batch.index++
    if (batch.index === batch.records.length) this.#batches.shift()
    this.#bytes -= sizeOf(head.raw)
    this.#length--
    this.#head = undefined
    if (head.kind === 'record') this.#time = Math.max(this.#time, head.record.timestamp)
    return head
  }

  /** Drops what was fetched and goes on from `position`. */
  reset(position: number): void {
    this.#batches = []
    this.#head = undefined
    this.#bytes = 0
    this.#length = 0
    this.#fetched = position
  }

  #peekRaw(): LogRecord | undefined {
    const batch = this.#batches[0]
    return batch?.records[batch.index]
  }

  /** In whole milliseconds. What is no time would stay the largest one for ever. */
  #timeOf(record: StreamRecord<unknown, unknown>): number {
    const chosen = this.#source.timestamp?.(record, this.#time, this.#clock.now())
    if (chosen === undefined) return record.timestamp
    const time = Math.floor(chosen)
    if (Number.isSafeInteger(time)) return time
    throw new StreamError('RECORD_UNDECODABLE', `the timestamp extractor gave ${chosen}, which is no time`, {
      fix: 'Correct the extractor, or the record.',
    })
  }

  #decode(raw: LogRecord): QueueHead {
    try {
      const key = raw.key === null ? null : this.#source.key.deserialize(raw.key)
      const value = raw.value === null ? null : this.#source.value.deserialize(raw.value)
      const record = { key, value, timestamp: raw.timestamp, headers: raw.headers }
      const timestamp = this.#timeOf(record)
      return { kind: 'record', raw, record: timestamp === raw.timestamp ? record : { ...record, timestamp } }
    } catch (error) {
      return {
        kind: 'undecodable',
        raw,
        error: toStreamError(error, 'RECORD_UNDECODABLE', 'the record cannot be read'),
      }
    }
  }
}

/** What a record weighs against the bounds: its bytes, plus a flat share for the objects around them. */
export function sizeOf(record: LogRecord): number {
  return (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0) + 100
}
