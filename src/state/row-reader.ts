import { timeBytes, writeTime } from '../time-bytes.ts'
import { bytesBehindKey, splitSessionKey, splitWindowKey } from '../windowed.ts'
import { afterPrefix } from './key-text.ts'
import type { ByteRange, StoreSpec } from './store.ts'
import { splitVersionRow } from './versioned-layout.ts'

/** What to read of one store of one task. Keys are serialized. Without bounds: everything. */
export interface RowQuery {
  /** This key alone; then without `from`, `to` and `prefix`. */
  readonly key?: Uint8Array | undefined
  /** The first key, included. */
  readonly from?: Uint8Array | undefined
  /** The last key, included. */
  readonly to?: Uint8Array | undefined
  /** How the serialized keys begin. */
  readonly prefix?: Uint8Array | undefined
  /**
   * Windows that start at this time or later, sessions that end then or later, versions that held then or later. Milliseconds. Stores of one
   * value a key pass over it. Versions that were replaced are found with `key` only.
   */
  readonly fromMs?: number | undefined
  /** Windows and sessions that start at this time or earlier, versions that began then or earlier. Milliseconds. */
  readonly toMs?: number | undefined
  /** Begins behind this row: the `place` of one that was read. */
  readonly after?: Uint8Array | undefined
}

/** One entry of a store of any kind. */
export interface StoreEntry<K = unknown, V = unknown> {
  readonly key: K
  readonly value: V
  /** The event time of the value, milliseconds. Stores of kind `key-value` have none. */
  readonly timestamp?: number
  /** Of a window, or of a session. */
  readonly startMs?: number
  /** Of a session: the time of its last record. */
  readonly endMs?: number
  /** Of a version: when another took its place. Undefined: it is the latest. */
  readonly untilMs?: number
}

/** As it lies: with the serialized key. */
export type StoreRow = StoreEntry<Uint8Array>

/** A row that was looked at. */
export interface ScannedRow {
  /** Where it lies: what `after` takes. */
  readonly place: Uint8Array
  /** Undefined when it is not one that was asked for. */
  readonly row: StoreRow | undefined
}

/** The bytes of a store in their order: what was put and is not durable yet included. Values are as the store holds them. */
export interface RawRows {
  range(range: ByteRange): AsyncIterable<readonly [key: Uint8Array, value: unknown]>
}

/** How the rows of one kind of store lie. */
interface RowLayout {
  /** Where the rows may lie, piece after piece. Others may lie among them. */
  pieces(query: RowQuery): readonly ByteRange[]
  /** Undefined when there is nothing any more. */
  rowOf(place: Uint8Array, held: unknown): StoreRow | undefined
  /** The stretch of time that `fromMs` and `toMs` are held against. */
  timesOf(row: StoreRow): Stretch
}

interface Stretch {
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * Reads a store of any kind, in the order of its rows: by key, then by time. It sees the store as it is at the first step; each step gives a row
 * that was looked at, so that who reads can stop at a bound.
 */
export async function* readRows(spec: StoreSpec, rows: RawRows, query: RowQuery): AsyncGenerator<ScannedRow> {
  const layout = layouts[spec.kind]
  for (const piece of remaining(layout.pieces(query), query.after)) {
    for await (const [place, held] of rows.range(piece)) {
      const row = layout.rowOf(place, held)
      const isWanted = row && hasKey(row, query) && isInTime(layout.timesOf(row), query)
      yield { place, row: isWanted ? row : undefined }
    }
  }
}

/** The pieces from the one on that a row lies in, without what comes before it. */
function remaining(pieces: readonly ByteRange[], after: Uint8Array | undefined): readonly ByteRange[] {
  if (!after) return pieces
  const left = pieces.slice(pieces.findIndex((piece) => contains(piece, after)))
  return left.map(({ gte, ...piece }, index) => ({ ...piece, ...(index === 0 ? { gt: after } : gte && { gte }) }))
}

function contains({ gte, lt, lte }: ByteRange, place: Uint8Array): boolean {
  if (gte && Buffer.compare(place, gte) < 0) return false
  return !(lt && Buffer.compare(place, lt) >= 0) && !(lte && Buffer.compare(place, lte) > 0)
}

function hasKey(row: StoreRow, { key, from = key, to = key, prefix }: RowQuery): boolean {
  if (from && Buffer.compare(row.key, from) < 0) return false
  if (to && Buffer.compare(row.key, to) > 0) return false
  return !prefix || Buffer.compare(row.key.subarray(0, prefix.length), prefix) === 0
}

function isInTime({ firstMs, lastMs }: Stretch, { fromMs, toMs }: RowQuery): boolean {
  return lastMs >= (fromMs ?? Number.NEGATIVE_INFINITY) && firstMs <= (toMs ?? Number.POSITIVE_INFINITY)
}

interface Held {
  readonly value: unknown
  readonly timestamp: number
}

const always = { firstMs: Number.NEGATIVE_INFINITY, lastMs: Number.POSITIVE_INFINITY }

const layouts: Readonly<Record<StoreSpec['kind'], RowLayout>> = {
  'key-value': {
    pieces: (query) => [rangeOf(query, 0)],
    rowOf: (key, value) => ({ key, value }),
    timesOf: () => always,
  },
  'timestamped-key-value': {
    pieces: (query) => [rangeOf(query, 0)],
    rowOf: (key, held) => ({ key, ...(held as Held) }),
    timesOf: () => always,
  },
  window: {
    pieces: (query) => [rangeOf(query, bytesBehindKey.window)],
    rowOf: (place, held) => ({ ...splitWindowKey(place), ...(held as Held) }),
    timesOf: ({ startMs = 0 }) => ({ firstMs: startMs, lastMs: startMs }),
  },
  session: {
    pieces: (query) => [rangeOf(query, bytesBehindKey.session)],
    rowOf: (place, held) => {
      const { key, window } = splitSessionKey(place)
      return { key, ...window, ...(held as Held) }
    },
    timesOf: ({ startMs = 0, endMs = startMs }) => ({ firstMs: startMs, lastMs: endMs }),
  },
  versioned: {
    // The latest versions lie apart from those before, of which one key is read, from the oldest on.
    pieces: (query) => {
      const latest = behind(0, rangeOf({ ...query, fromMs: undefined }, 0))
      return query.key ? [behind(1, rangeOf(query, timeBytes)), latest] : [latest]
    },
    rowOf: (place, held) => {
      const { value, timestamp } = held as Held
      return value === null ? undefined : { ...splitVersionRow(place), value, timestamp }
    },
    timesOf: ({ timestamp = 0, untilMs = Number.POSITIVE_INFINITY }) => ({ firstMs: timestamp, lastMs: untilMs - 1 }),
  },
}

/** Where the rows of these keys may lie when each key is followed by so many bytes, of which the first eight are a time. */
function rangeOf({ key, from = key, to = key, prefix, fromMs }: RowQuery, behindBytes: number): ByteRange {
  const isTimed = key !== undefined && fromMs !== undefined && behindBytes > 0
  const first = isTimed ? Buffer.concat([key, timeOf(fromMs)]) : (from ?? new Uint8Array(0))
  const gte = prefix ? greatest([first, prefix]) : first
  const end = prefix && afterPrefix(prefix)
  if (to === undefined) return end ? { gte, lt: end } : { gte }
  const last = lastRow(to, behindBytes)
  return end && Buffer.compare(end, last) <= 0 ? { gte, lt: end } : { gte, lte: last }
}

/** The last row that a key up to this one can have. That of a shorter key may lie behind its own, because its times follow sooner. */
function lastRow(key: Uint8Array, behindBytes: number): Uint8Array {
  if (behindBytes === 0) return key
  const times = Buffer.concat([timeOf(Number.MAX_SAFE_INTEGER), Buffer.alloc(behindBytes - timeBytes, 0xff)])
  const beginnings = Array.from({ length: key.length + 1 }, (_, length) => key.subarray(0, length))
  return greatest(beginnings.map((beginning) => Buffer.concat([beginning, times])))
}

function greatest(candidates: readonly Uint8Array[]): Uint8Array {
  return candidates.reduce((best, candidate) => (Buffer.compare(candidate, best) > 0 ? candidate : best))
}

/** The same bounds behind a first byte. */
function behind(first: number, { gte = new Uint8Array(0), lt, lte }: ByteRange): ByteRange {
  const joined = (bytes: Uint8Array) => Buffer.concat([Uint8Array.of(first), bytes])
  const end = lte ? { lte: joined(lte) } : { lt: lt ? joined(lt) : Uint8Array.of(first + 1) }
  return { gte: joined(gte), ...end }
}

function timeOf(timeMs: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(timeBytes)
  writeTime(bytes, Math.max(0, timeMs))
  return bytes
}
