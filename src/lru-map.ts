export interface LruMapOptions {
  /** What all entries may weigh together. */
  readonly maxBytes: number
  /**
   * How far an eviction goes, bytes. Default: `maxBytes`, one entry at a time. Lower makes many evictions cheaper: finding the oldest
   * entry of a map means stepping over the places of all that were deleted before it.
   */
  readonly evictToBytes?: number
}

interface Weighed<Value> {
  readonly value: Value
  readonly bytes: number
}

/**
 * A map that is bounded by what its entries weigh: the one that was used longest ago goes first.
 *
 * @example
 * const pages = new LruMap<string, Buffer>({ maxBytes: 1_000_000 })
 * pages.set('a', page, page.length)
 */
export class LruMap<Key, Value> {
  readonly #maxBytes: number
  readonly #evictToBytes: number
  /** In the order of their last use: a map keeps insertion order, and a use inserts again. */
  readonly #entries = new Map<Key, Weighed<Value>>()
  #bytes = 0

  constructor({ maxBytes, evictToBytes = maxBytes }: LruMapOptions) {
    this.#maxBytes = maxBytes
    this.#evictToBytes = evictToBytes
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** Like `get`, but counts as no use. */
  peek(key: Key): Value | undefined {
    return this.#entries.get(key)?.value
  }

  /** A value that weighs more than the whole map may is not held; an older one under its key goes in any case. */
  set(key: Key, value: Value, bytes: number): void {
    this.delete(key)
    if (bytes > this.#maxBytes) return
    this.#entries.set(key, { value, bytes })
    this.#bytes += bytes
    if (this.#bytes > this.#maxBytes) this.#evict()
  }

  delete(key: Key): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#bytes -= entry.bytes
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  /** The one that was used longest ago first. */
  *values(): IterableIterator<Value> {
    for (const { value } of this.#entries.values()) yield value
  }

  #evict(): void {
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#evictToBytes) return
      this.delete(oldest)
    }
  }
}
