import { bytes } from '../serde.ts'
import { IndexedEntries } from './indexed-entries.ts'
import { KeyValueEntries, type StoreLayers } from './key-value-store.ts'
import type { RawRows } from './row-reader.ts'
import { SessionEntries } from './session-store.ts'
import type { ByteChange, StateStore, StoreSpec } from './store.ts'
import { timestamped, timestampOf } from './timestamped.ts'
import { orDeleted } from './versioned-layout.ts'
import { VersionedEntries } from './versioned-store.ts'
import { WindowEntries } from './window-store.ts'

/** What one kind of store does with the bytes of a task. */
export interface StoreEntries {
  /** `streamTime` is that of the task. */
  view(generation: () => number, streamTime: () => number): StateStore
  /** Takes note of a row that came from disk or from a changelog. Absent where nothing is indexed. */
  learn?(change: ByteChange): void
  /** Everything is gone. */
  forget?(): void
}

/** Written beside each store on disk: another kind of store, or another layout of one, gets another number. */
export const storeFormats: Readonly<Record<StoreSpec['kind'], number>> = {
  'key-value': 1,
  'timestamped-key-value': 2,
  window: 3,
  session: 4,
  versioned: 5,
}

/** What a store that is not what it was is told with. */
export function formatDifference(found: number, kind: StoreSpec['kind']): string {
  const before = Object.entries(storeFormats).find(([, format]) => format === found)?.[0]
  if (before !== undefined) return `is of kind ${before} on disk, and of kind ${kind} in the topology`
  return `has format ${found} on disk; this version reads format ${storeFormats[kind]}`
}

export function entriesOf(spec: StoreSpec, layers: StoreLayers): StoreEntries {
  if (spec.kind === 'window') return new WindowEntries(spec, layers)
  if (spec.kind === 'session') return new SessionEntries(spec, layers)
  if (spec.kind === 'versioned') return new VersionedEntries(spec, layers)
  if (spec.kind === 'key-value')
    return spec.keysInMemory ? new IndexedEntries(spec, layers) : new KeyValueEntries(spec, layers)
  const rows = { ...spec, kind: 'key-value', value: timestamped(spec.value) } as const
  if (spec.ttlMs === undefined)
    return spec.keysInMemory ? new IndexedEntries(rows, layers) : new KeyValueEntries(rows, layers)
  return new IndexedEntries(rows, layers, {
    ttlMs: spec.ttlMs,
    timeOf: ({ timestamp }) => timestamp,
    timeOfBytes: timestampOf,
  })
}

/** The rows of a store of any kind as they lie, for `readRows`. */
export function rawRows(spec: StoreSpec, layers: StoreLayers): RawRows {
  const held = spec.kind === 'versioned' ? orDeleted(spec.value) : spec.value
  const value = keepsTime(spec) ? timestamped(held) : held
  const rows = new KeyValueEntries({ kind: 'key-value', name: spec.name, key: bytes, value }, layers)
  return { range: (range) => rows.within(range) }
}

/** Each value lies behind its timestamp. */
export function keepsTime(spec: StoreSpec): boolean {
  return spec.kind !== 'key-value'
}
