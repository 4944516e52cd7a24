import { factOf, isStreamError, StreamError } from '../errors.ts'
import type { Serde } from '../serde.ts'
import { afterPrefix, keyOrder, keyText, textRange } from './key-text.ts'
import type { Overlay, OverlayEntry } from './overlay.ts'
import type { RecordCache } from './record-cache.ts'
import type { ByteRange, ByteStore, KeyRange, KeyValueStore, KeyValueStoreSpec } from './store.ts'

/** Where the entries of a store are: what is not durable yet, what was decoded before, what is durable. */
export interface StoreLayers {
  readonly overlay: Overlay
  readonly cache: RecordCache
  readonly bytes: ByteStore
  /** Counted here. */
  readonly reads: StoreReads
}

/** How often a key was asked for, by the layer that had the answer, be it that there is none. */
export interface StoreReads {
  overlay: number
  cache: number
  bytes: number
}

/** A key as the layers know it. */
export interface Place {
  /** With what comes before each key of the store. */
  readonly bytes: Uint8Array
  readonly text: string
}

/**
 * The bytes before each key of a store: several stores share one ByteStore. Names hold no zero byte, so no prefix is the start of
 * another one.
 */
export function storePrefix(store: string): Uint8Array {
  return Buffer.from(`${store}\0`)
}

/**
 * The entries of one store of one task. Writes go into the overlay; reads look there first, then into the cache, then at the bytes.
 * Values are serialized when they are put, so what cannot be written is refused at once, with RECORD_UNENCODABLE.
 */
export class KeyValueEntries<K, V> {
  readonly #spec: KeyValueStoreSpec<K, V>
  readonly #prefix: Uint8Array
  readonly #layers: StoreLayers

  constructor(spec: KeyValueStoreSpec<K, V>, layers: StoreLayers) {
    this.#spec = spec
    this.#prefix = storePrefix(spec.name)
    this.#layers = layers
  }

  /** The store as a processor sees it: each write belongs to the generation that `generation` names at that moment. */
  view(generation: () => number): KeyValueStore<K, V> {
    return {
      name: this.#spec.name,
      get: (key) => this.read(this.place(key)),
      range: (range = {}) => firstOf(this.#entries(this.#bounds(range)), range.limit),
      prefix: (prefix) => this.#entries(prefixBounds(this.#keyBytes(prefix))),
      put: (key, value) => this.put(generation(), this.place(key), value),
      delete: (key) => this.delete(generation(), this.place(key)),
    }
  }

  /** Where a key lies. Made once for what is read and then written. */
  place(key: K): Place {
    const bytes = this.#keyBytes(key)
    return { bytes, text: keyText(bytes) }
  }

  /** Entries in the order of the serialized keys, within bounds of these. */
  within(bounds: ByteRange): AsyncIterable<readonly [K, V]> {
    const { gte, gt, lt, lte, ...how } = bounds
    const own = (key: Uint8Array) => Buffer.concat([this.#prefix, key])
    const whole = prefixBounds(this.#prefix)
    return this.#entries({
      ...how,
      ...(gt ? { gt: own(gt) } : { gte: own(gte ?? new Uint8Array(0)) }),
      ...(lte ? { lte: own(lte) } : lt ? { lt: own(lt) } : whole.lt && { lt: whole.lt }),
    })
  }

  read({ bytes: keyBytes, text }: Place): V | undefined {
    const { overlay, cache, bytes, reads } = this.#layers
    const own = overlay.lookup(text)
    if (own) {
      reads.overlay++
      return own.value as V | undefined
    }
    const cached = cache.get(text)
    if (cached !== undefined) {
      reads.cache++
      return cached as V
    }
    reads.bytes++
    const stored = bytes.get(keyBytes)
    if (stored === undefined) return undefined
    const value = this.#decode(this.#spec.value, stored)
    cache.set(text, value, stored.length)
    return value
  }

  put(generation: number, { bytes: key, text }: Place, value: V): void {
    this.#layers.overlay.put(generation, text, { key, bytes: this.#encode(this.#spec.value, value), value })
  }

  delete(generation: number, { bytes: key, text }: Place): void {
    this.#layers.overlay.put(generation, text, { key, bytes: null, value: undefined })
  }

  /** Two ordered sequences become one. Both are snapshots taken at the first step, in one go: the result is the store at that moment. */
  async *#entries(bounds: ByteRange): AsyncGenerator<readonly [K, V]> {
    const precedes = keyOrder(bounds.reverse ?? false)
    const written = this.#layers.overlay.range(textRange(bounds))
    let ahead = written.next().value
    for await (const [key, bytes] of this.#layers.bytes.range(bounds)) {
      const text = keyText(key)
      for (; ahead && precedes(ahead[0], text); ahead = written.next().value) yield* this.#live(ahead[1])
      // The overlay's word on a key replaces the stored one; it comes out in the next round.
      if (ahead?.[0] !== text) yield [this.#decodeKey(key), this.#decode(this.#spec.value, bytes)]
    }
    for (; ahead; ahead = written.next().value) yield* this.#live(ahead[1])
  }

  *#live(entry: OverlayEntry): Iterable<readonly [K, V]> {
    if (entry.bytes !== null) yield [this.#decodeKey(entry.key), entry.value as V]
  }

  #bounds({ from, to, reverse = false }: KeyRange<K>): ByteRange {
    const whole = prefixBounds(this.#prefix)
    return {
      reverse,
      gte: from === undefined ? this.#prefix : this.#keyBytes(from),
      ...(to === undefined ? whole.lt && { lt: whole.lt } : { lte: this.#keyBytes(to) }),
    }
  }

  #keyBytes(key: K): Uint8Array {
    return Buffer.concat([this.#prefix, this.#encode(this.#spec.key, key)])
  }

  #decodeKey(bytes: Uint8Array): K {
    return this.#decode(this.#spec.key, bytes.subarray(this.#prefix.length))
  }

  #encode<T>(serde: Serde<T>, value: T): Uint8Array {
    try {
      return serde.serialize(value)
    } catch (error) {
      throw this.#serdeError('RECORD_UNENCODABLE', error)
    }
  }

  #decode<T>(serde: Serde<T>, bytes: Uint8Array): T {
    try {
      return serde.deserialize(bytes)
    } catch (error) {
      // No record is at fault: what the store holds was written by another version, or is damaged.
      if (isStreamError(error) && error.reaction !== 'skip') throw error
      throw this.#serdeError('STATE_FORMAT', error)
    }
  }

  #serdeError(code: 'RECORD_UNENCODABLE' | 'STATE_FORMAT', error: unknown): StreamError {
    const { name } = this.#spec
    const reason = factOf(error)
    return new StreamError(code, `store "${name}": ${reason}`, { cause: error, details: { store: name } })
  }
}

/** All keys that begin with these bytes. */
export function prefixBounds(prefix: Uint8Array): ByteRange {
  const end = afterPrefix(prefix)
  return { gte: prefix, ...(end && { lt: end }) }
}

/** No more than so many. */
export async function* firstOf<T>(entries: AsyncIterable<T>, limit = Number.POSITIVE_INFINITY): AsyncGenerator<T> {
  if (limit <= 0) return
  let left = limit
  for await (const entry of entries) {
    yield entry
    if (--left === 0) return
  }
}
