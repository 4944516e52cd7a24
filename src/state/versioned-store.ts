import { bytes } from '../serde.ts'
import { bytesOfText, keyText } from './key-text.ts'
import { KeyValueEntries, type StoreLayers } from './key-value-store.ts'
import { refusedTime } from './refused-time.ts'
import type { ByteChange, KeyValueStore, PutVersion, Version, VersionedStore, VersionedStoreSpec } from './store.ts'
import { type Timestamped, timestamped, timestampOf, withoutTimestamp } from './timestamped.ts'
import { isDeletion, latestRows, orDeleted, splitVersionRow, versionRow } from './versioned-layout.ts'
import { type IndexedWindow, WindowIndex } from './window-index.ts'

/** A version as it is stored; value null: the key was deleted then. */
type Held<V> = Timestamped<V | null>

/**
 * The versions of one store of one task. The latest of a key is found by the key alone; those that were replaced lie under key and end,
 * and are found by an index in memory. The versions of a key follow one another without gaps.
 */
export class VersionedEntries<K, V> {
  readonly #spec: VersionedStoreSpec<K, V>
  readonly #entries: KeyValueEntries<Uint8Array, Held<V>>
  readonly #times = new VersionTimes()

  constructor(spec: VersionedStoreSpec<K, V>, layers: StoreLayers) {
    this.#spec = spec
    const { name, value } = spec
    const held = timestamped(orDeleted(value))
    this.#entries = new KeyValueEntries({ kind: 'key-value', name, key: bytes, value: held }, layers)
  }

  /** A row that came from disk or from a changelog. */
  learn(change: ByteChange): void {
    this.#times.learn(change)
  }

  forget(): void {
    this.#times.forget()
  }

  view(generation: () => number): VersionedStore<K, V> {
    return new Versions(this.#spec, this.#entries.view(generation), this.#times)
  }
}

/** When versions end that were replaced, when keys were deleted, and how far time has come. */
class VersionTimes {
  /** At the times of their ends. */
  readonly replaced = new WindowIndex()
  /** Keys whose latest version is a deletion, at its time. */
  readonly deleted = new WindowIndex()
  observedMs = -1

  learn({ key: row, value }: ByteChange): void {
    const { key, untilMs } = splitVersionRow(row)
    const text = keyText(key)
    const fromMs = value && timestampOf(value)
    this.observedMs = Math.max(this.observedMs, fromMs ?? -1)
    if (untilMs === undefined) {
      for (const before of this.deleted.of(text, 0, Number.POSITIVE_INFINITY)) this.deleted.delete(before)
      if (value && fromMs !== null && isDeletion(withoutTimestamp(value))) this.deleted.add(at(text, fromMs))
    } else if (value) this.replaced.add(at(text, untilMs))
    else this.replaced.delete(at(text, untilMs))
  }

  forget(): void {
    this.replaced.clear()
    this.deleted.clear()
    this.observedMs = -1
  }
}

class Versions<K, V> implements VersionedStore<K, V> {
  readonly #spec: VersionedStoreSpec<K, V>
  readonly #rows: KeyValueStore<Uint8Array, Held<V>>
  readonly #times: VersionTimes

  constructor(spec: VersionedStoreSpec<K, V>, rows: KeyValueStore<Uint8Array, Held<V>>, times: VersionTimes) {
    this.#spec = spec
    this.#rows = rows
    this.#times = times
  }

  get name(): string {
    return this.#spec.name
  }

  get observedMs(): number {
    return this.#times.observedMs
  }

  get(key: K, asOfMs = Number.POSITIVE_INFINITY): Version<V> | undefined {
    const ownKey = this.#spec.key.serialize(key)
    const latest = this.#rows.get(versionRow({ key: ownKey }))
    if (!latest) return undefined
    if (latest.timestamp <= asOfMs) return versionOf(latest)
    if (asOfMs < this.#earliestMs) return undefined
    const end = this.#endAfter(keyText(ownKey), asOfMs)
    const held = end && this.#rows.get(rowOf(end))
    return held && held.timestamp <= asOfMs ? versionOf(held, end.timeMs) : undefined
  }

  async *all(): AsyncGenerator<readonly [K, Version<V>]> {
    for await (const [row, held] of this.#rows.prefix(latestRows)) {
      const version = versionOf(held)
      if (version) yield [this.#spec.key.deserialize(splitVersionRow(row).key), version]
    }
  }

  put(key: K, value: V | null, timestamp: number): PutVersion {
    if (!Number.isSafeInteger(timestamp)) {
      throw refusedTime({ store: this.name, call: 'put(key, value, timestamp)' }, 'timestamp', timestamp)
    }
    if (timestamp < this.#earliestMs) return 'expired'
    const ownKey = this.#spec.key.serialize(key)
    const latest = this.#rows.get(versionRow({ key: ownKey }))
    const isLatest = !latest || timestamp >= latest.timestamp
    if (isLatest) this.#putLatest(ownKey, { value, timestamp }, latest)
    else this.#putBefore(ownKey, { value, timestamp }, latest.timestamp)
    this.#expire()
    return isLatest ? 'latest' : 'replaced'
  }

  delete(key: K, timestamp: number): Version<V> | undefined {
    const before = this.get(key, timestamp)
    return this.put(key, null, timestamp) === 'expired' ? undefined : before
  }

  /** What ended then or before is forgotten, and nothing before it is taken. */
  get #earliestMs(): number {
    return this.#times.observedMs - this.#spec.historyMs
  }

  /** The row of the new version goes first, here and below: where it cannot be serialized, nothing has changed. */
  #putLatest(key: Uint8Array, next: Held<V>, before: Held<V> | undefined): void {
    this.#rows.put(versionRow({ key }), next)
    const { deleted } = this.#times
    this.#times.observedMs = Math.max(this.#times.observedMs, next.timestamp)
    if (before?.value === null) deleted.delete(at(keyText(key), before.timestamp))
    if (next.value === null) deleted.add(at(keyText(key), next.timestamp))
    if (before && before.timestamp < next.timestamp) this.#keep(key, next.timestamp, before)
  }

  /** Among the versions that were replaced: the one that held at that time ends there, or is replaced itself. */
  #putBefore(key: Uint8Array, next: Held<V>, latestMs: number): void {
    const end = this.#endAfter(keyText(key), next.timestamp)
    const held = end && this.#rows.get(rowOf(end))
    if (!held) this.#keep(key, latestMs, next)
    else if (held.timestamp > next.timestamp) this.#keep(key, held.timestamp, next)
    else {
      this.#keep(key, end.timeMs, next)
      if (held.timestamp < next.timestamp) this.#keep(key, next.timestamp, held)
    }
  }

  #keep(key: Uint8Array, untilMs: number, version: Held<V>): void {
    if (untilMs <= this.#earliestMs) return
    this.#rows.put(versionRow({ key, untilMs }), version)
    this.#times.replaced.add(at(keyText(key), untilMs))
  }

  #expire(): void {
    const { replaced, deleted } = this.#times
    for (const end of replaced.before(this.#earliestMs)) {
      this.#rows.delete(rowOf(end))
      replaced.delete(end)
    }
    // The time of the store is that of its latest row, which may be a deletion: it stays until a later one comes.
    for (const key of deleted.before(this.#earliestMs - 1)) {
      this.#rows.delete(versionRow({ key: bytesOfText(key.key) }))
      deleted.delete(key)
    }
  }

  /** Of the version that was replaced and held at that time, or of the first one after it. */
  #endAfter(key: string, timeMs: number): IndexedWindow | undefined {
    return this.#times.replaced.first(key, timeMs + 1)
  }
}

function at(key: string, timeMs: number): IndexedWindow {
  return { key, startMs: timeMs, endMs: timeMs, timeMs }
}

function rowOf({ key, timeMs }: IndexedWindow): Uint8Array {
  return versionRow({ key: bytesOfText(key), untilMs: timeMs })
}

function versionOf<V>({ value, timestamp }: Held<V>, untilMs?: number): Version<V> | undefined {
  return value === null ? undefined : { value, timestamp, ...(untilMs !== undefined && { untilMs }) }
}
