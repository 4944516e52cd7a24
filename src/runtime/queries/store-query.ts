import { factOf, StreamError, type StreamErrorOptions } from '../../errors.ts'
import type { RowQuery, ScannedRow, StoreEntry } from '../../state/row-reader.ts'
import type { StoreSpec } from '../../state/store.ts'

/** What to read of a store. Without bounds: everything, in the order of the serialized keys, then of time. */
export interface StoreQuery<K = unknown> {
  /** This key alone. */
  readonly key?: K | undefined
  /** The first key, included. */
  readonly from?: K | undefined
  /** The last key, included. */
  readonly to?: K | undefined
  /** How the serialized keys begin: bytes, or UTF-8 text. */
  readonly prefix?: string | Uint8Array | undefined
  /** The window that starts then, sessions around that time, or the version that held then. Milliseconds. */
  readonly atMs?: number | undefined
  /** Windows that start then or later, sessions that end then or later, versions that held then or later. Milliseconds. */
  readonly fromMs?: number | undefined
  /** Windows and sessions that start then or earlier, versions that began then or earlier. Milliseconds. */
  readonly toMs?: number | undefined
}

/** An entry that was looked at. */
export interface ScannedEntry {
  /** Where it lies in its partition: where the next page goes on. */
  readonly place: Uint8Array
  /** Undefined when it is not one that was asked for. */
  readonly entry: StoreEntry | undefined
}

/** The query as the rows of the store have it. Throws QUERY_INVALID with the first thing that does not fit the store. */
export function rowQueryOf(spec: StoreSpec, query: StoreQuery, after?: Uint8Array): RowQuery {
  const { key, from, to, prefix, atMs, fromMs = atMs, toMs = atMs } = query
  requireFit(spec, query)
  // Of a key with versions, the latest holds for ever.
  const isLatest = spec.kind === 'versioned' && key !== undefined && fromMs === undefined && toMs === undefined
  const bytesOf = (value: unknown) => (value === undefined ? undefined : serialized(spec, value))
  return {
    key: bytesOf(key),
    from: bytesOf(from),
    to: bytesOf(to),
    prefix: typeof prefix === 'string' ? new TextEncoder().encode(prefix) : prefix,
    fromMs: isLatest ? Number.MAX_SAFE_INTEGER : fromMs,
    toMs,
    after,
  }
}

/** What a row is to who asks. `overSinceMs`: values of that time or earlier have outlived the time to live of their store. */
export function entryOf(spec: StoreSpec, { place, row }: ScannedRow, overSinceMs: number): ScannedEntry {
  const isOver = row?.timestamp !== undefined && row.timestamp <= overSinceMs
  return { place, entry: row && !isOver ? { ...row, key: spec.key.deserialize(row.key) } : undefined }
}

/** What a query may not have, and the first sentence that is true of it. */
const misfits: readonly {
  readonly isTrue: (query: StoreQuery, spec: StoreSpec) => boolean
  readonly fact: string
  readonly fix: string
}[] = [
  {
    isTrue: ({ key, from, to, prefix }) => key !== undefined && (from ?? to ?? prefix) !== undefined,
    fact: 'it names one key, and a range of keys',
    fix: 'Give `key`, or `from`, `to` and `prefix`.',
  },
  {
    isTrue: ({ atMs, fromMs, toMs }) => atMs !== undefined && (fromMs ?? toMs) !== undefined,
    fact: 'it names one time, and a range of times',
    fix: 'Give `atMs`, or `fromMs` and `toMs`.',
  },
  {
    isTrue: ({ atMs = 0, fromMs = 0, toMs = 0 }) => ![atMs, fromMs, toMs].every(Number.isSafeInteger),
    fact: 'one of its times is none',
    fix: 'Give milliseconds since the epoch.',
  },
  {
    isTrue: (query, { kind }) => isTimed(query) && (kind === 'key-value' || kind === 'timestamped-key-value'),
    fact: 'the store has one value a key, whatever the time',
    fix: 'Leave out the times.',
  },
  {
    isTrue: (query, { kind }) => isTimed(query) && kind === 'versioned' && query.key === undefined,
    fact: 'the store tells earlier versions of one key at a time',
    fix: 'Give `key`, or leave out the times.',
  },
]

function requireFit(spec: StoreSpec, query: StoreQuery): void {
  const misfit = misfits.find(({ isTrue }) => isTrue(query, spec))
  if (misfit) throw invalid(spec.name, misfit.fact, { fix: misfit.fix })
}

function isTimed({ atMs, fromMs, toMs }: StoreQuery): boolean {
  return (atMs ?? fromMs ?? toMs) !== undefined
}

function serialized({ name, key }: StoreSpec, value: unknown): Uint8Array {
  try {
    return key.serialize(value)
  } catch (cause) {
    throw invalid(name, `no key of it: ${factOf(cause)}`, { cause })
  }
}

function invalid(store: string, fact: string, options: StreamErrorOptions): StreamError {
  return new StreamError('QUERY_INVALID', `the query of store "${store}" cannot be answered: ${fact}`, options)
}
