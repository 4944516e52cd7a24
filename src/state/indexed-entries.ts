import { bytes } from '../serde.ts'
import { KeyIndex } from './key-index.ts'
import { bytesOfText, keyText, textRange } from './key-text.ts'
import { firstOf, KeyValueEntries, prefixBounds, type StoreLayers } from './key-value-store.ts'
import type { ByteChange, ByteRange, KeyRange, KeyValueStoreSpec, ScannableStore } from './store.ts'

/** How long the rows of a store are there. */
export interface TimeToLive<V> {
  /** After the time of the row, in the stream time of the task. */
  readonly ttlMs: number
  readonly timeOf: (value: V) => number
  readonly timeOfBytes: (value: Uint8Array) => number
}

/** The rows of a key-value store of one task whose keys are in memory too, so that it can be walked at once, and forgets rows by time. */
export class IndexedEntries<K, V> {
  readonly #spec: KeyValueStoreSpec<K, V>
  readonly #rows: KeyValueEntries<Uint8Array, V>
  readonly #life: TimeToLive<V> | undefined
  readonly #index: KeyIndex
  /** The latest that a view has told: who only looks knows no time of its own. */
  #streamTime = -1

  constructor(spec: KeyValueStoreSpec<K, V>, layers: StoreLayers, life?: TimeToLive<V>) {
    this.#spec = spec
    this.#life = life
    this.#index = new KeyIndex({ byTime: life !== undefined })
    this.#rows = new KeyValueEntries({ kind: 'key-value', name: spec.name, key: bytes, value: spec.value }, layers)
  }

  /** A row that came from disk or from a changelog. */
  learn({ key, value }: ByteChange): void {
    if (value === null) this.#index.delete(keyText(key))
    else this.#index.set(keyText(key), this.#life?.timeOfBytes(value) ?? 0)
  }

  forget(): void {
    this.#index.clear()
  }

  view(generation: () => number, streamTime: () => number): ScannableStore<K, V> {
    const { name, key: keySerde } = this.#spec
    const index = this.#index
    const life = this.#life
    const rows = this.#rows.view(generation)
    const overSince = (): number => {
      if (!life) return Number.NEGATIVE_INFINITY
      this.#streamTime = Math.max(this.#streamTime, streamTime())
      return this.#streamTime - life.ttlMs
    }
    const isOver = (text: string): boolean => life !== undefined && (index.timeOf(text) ?? 0) <= overSince()
    const expire = (): void => {
      for (const text of index.before(overSince())) {
        rows.delete(bytesOfText(text))
        index.delete(text)
      }
    }
    const scanned = function* (range: ByteRange) {
      for (const text of index.keys(textRange(range))) {
        const value = isOver(text) ? undefined : rows.get(bytesOfText(text))
        if (value !== undefined) yield [keySerde.deserialize(bytesOfText(text)), value] as const
      }
    }
    const awaited = async function* (entries: AsyncIterable<readonly [Uint8Array, V]>) {
      for await (const [key, value] of entries) {
        if (!isOver(keyText(key))) yield [keySerde.deserialize(key), value] as const
      }
    }
    return {
      name,
      get size() {
        return index.size - index.before(overSince()).length
      },
      get: (key) => {
        const keyBytes = keySerde.serialize(key)
        return isOver(keyText(keyBytes)) ? undefined : rows.get(keyBytes)
      },
      range: ({ limit = Number.POSITIVE_INFINITY, ...range } = {}) =>
        firstOf(awaited(rows.range(this.#bytesOf(range))), limit),
      prefix: (prefix) => awaited(rows.prefix(keySerde.serialize(prefix))),
      scan: ({ limit = Number.POSITIVE_INFINITY, ...range } = {}) => {
        const { from, to, reverse } = this.#bytesOf(range)
        return scanned({ ...(from && { gte: from }), ...(to && { lte: to }), ...(reverse && { reverse }) }).take(limit)
      },
      scanPrefix: (prefix) => scanned(prefixBounds(keySerde.serialize(prefix))),
      put: (key, value) => {
        const keyBytes = keySerde.serialize(key)
        rows.put(keyBytes, value)
        index.set(keyText(keyBytes), life?.timeOf(value) ?? 0)
        expire()
      },
      delete: (key) => {
        const keyBytes = keySerde.serialize(key)
        rows.delete(keyBytes)
        index.delete(keyText(keyBytes))
        expire()
      },
    }
  }

  #bytesOf({ from, to, reverse = false }: KeyRange<K>): KeyRange<Uint8Array> {
    const { key } = this.#spec
    return {
      reverse,
      ...(from !== undefined && { from: key.serialize(from) }),
      ...(to !== undefined && { to: key.serialize(to) }),
    }
  }
}
