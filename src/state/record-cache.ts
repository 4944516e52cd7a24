import { LruMap } from '../lru-map.ts'

/** What an entry costs beside its key and value: the map's slot, the object, the string. A round estimate. */
const entryOverheadBytes = 128
/** An eighth goes at once. */
const evictedPart = 0.125

/**
 * Decoded values of entries whose newest version is on disk, least recently used out first. One cache serves all stores of a task;
 * keys are key texts (see key-text.ts) with the store's prefix.
 */
export class RecordCache {
  readonly #values: LruMap<string, unknown>

  /** `maxBytes` bounds keys and serialized values, with what a map adds; decoded values may take a few times as much. */
  constructor(maxBytes: number) {
    this.#values = new LruMap({ maxBytes, evictToBytes: maxBytes * (1 - evictedPart) })
  }

  get bytes(): number {
    return this.#values.bytes
  }

  get(text: string): unknown {
    return this.#values.get(text)
  }

  /** `serializedBytes` is the size of the value. One that is larger than the whole cache is not held. */
  set(text: string, value: unknown, serializedBytes: number): void {
    this.#values.set(text, value, text.length + serializedBytes + entryOverheadBytes)
  }

  delete(text: string): void {
    this.#values.delete(text)
  }

  clear(): void {
    this.#values.clear()
  }
}
