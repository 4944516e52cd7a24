import { StreamError } from '../errors.ts'
import type { Serde } from '../serde.ts'
import { readTime, timeBytes, writeTime } from '../time-bytes.ts'

/** First byte of a row: the latest version of a key lies apart from those that were replaced. */
const part = { latest: 0, replaced: 1 } as const

/** Where a version lies. */
export interface VersionRow {
  readonly key: Uint8Array
  /** When the next version took its place; undefined: it is the latest. */
  readonly untilMs?: number
}

/** A byte for the part, then the key; behind the keys of versions that were replaced, the time of the next one in eight bytes. */
export function versionRow({ key, untilMs }: VersionRow): Uint8Array {
  const bytes = Buffer.alloc(1 + key.length + (untilMs === undefined ? 0 : timeBytes))
  bytes[0] = untilMs === undefined ? part.latest : part.replaced
  bytes.set(key, 1)
  if (untilMs !== undefined) writeTime(bytes, untilMs, 1 + key.length)
  return bytes
}

/** What `versionRow` has joined. */
export function splitVersionRow(bytes: Uint8Array): VersionRow {
  if (bytes[0] === part.latest) return { key: bytes.subarray(1) }
  const keyEnd = bytes.length - timeBytes
  if (bytes[0] !== part.replaced || keyEnd < 1) {
    throw new StreamError('RECORD_UNDECODABLE', `${bytes.length} bytes are no key of a version`)
  }
  return { key: bytes.subarray(1, keyEnd), untilMs: readTime(bytes, keyEnd) }
}

/** Begins the rows of all latest versions, in the order of their keys. */
export const latestRows: Uint8Array = Uint8Array.of(part.latest)

const state = { deleted: 0, there: 1 } as const

/** A byte that says whether there is a value, then the value. Null: the key was deleted. */
export function orDeleted<V>(value: Serde<V>): Serde<V | null> {
  return {
    name: `orDeleted(${value.name})`,
    serialize: (held) =>
      held === null ? Uint8Array.of(state.deleted) : Buffer.concat([Uint8Array.of(state.there), value.serialize(held)]),
    deserialize: (bytes) => (isDeletion(bytes) ? null : value.deserialize(bytes.subarray(1))),
  }
}

/** Of what `orDeleted` has written. */
export function isDeletion(bytes: Uint8Array): boolean {
  return bytes[0] === state.deleted
}
