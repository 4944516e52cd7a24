/** What an entry costs beside its key and value: the map's slot, the object, the string. A round estimate. */
const entryOverheadBytes = 128

interface CachedValue {
  readonly value: unknown
  readonly bytes: number
}

/**
 * Decoded values of entries whose newest version is on disk, least recently used out first. One cache serves all stores of a task;
 * keys are key texts (see key-text.ts) with the store's prefix.
 */
export class RecordCache {
  readonly #maxBytes: number
  /** In the order of their last use: a map keeps insertion order, and a use inserts again. */
  readonly #values = new Map<string, CachedValue>()
  #bytes = 0

  /** `maxBytes` bounds keys and serialized values, with what a map adds; decoded values may take a few times as much. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get(text: string): unknown {
    const cached = this.#values.get(text)
    if (!cached) return undefined
    this.#values.delete(text)
    this.#values.set(text, cached)
    return cached.value
  }

  /** `serializedBytes` is the size of the value. One that is larger than the whole cache is not held. */
  set(text: string, value: unknown, serializedBytes: number): void {
    this.delete(text)
    const bytes = text.length + serializedBytes + entryOverheadBytes
    if (bytes > this.#maxBytes) return
    this.#values.set(text, { value, bytes })
    this.#bytes += bytes
    if (this.#bytes > this.#maxBytes) this.#evict()
  }

  delete(text: string): void {
    const cached = this.#values.get(text)
    if (!cached) return
    this.#bytes -= cached.bytes
    this.#values.delete(text)
  }

  clear(): void {
    this.#values.clear()
    this.#bytes = 0
  }

  /** An eighth at once: finding the oldest entry of a map means stepping over the places of all that were deleted before it. */
  #evict(): void {
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#maxBytes * 0.875) return
      this.delete(oldest)
    }
  }
}
