import { LruMap } from '../../lru-map.ts'
import type { CacheKey } from './cache-key.ts'
import type { CacheEntry } from './entry.ts'

export interface MemoryTierOptions {
  readonly maxBytes: number
  readonly isFresh: (entry: CacheEntry) => boolean
}

/**
 * What an entry costs beside its numbers: key, map slot, typed array, its buffer and what the allocator rounds up. Measured on Node 24:
 * 400 to 650.
 */
const overheadBytes = 768

/** What an entry costs in memory, bytes. */
export function memoryBytes(dimensions: number): number {
  return overheadBytes + dimensions * Float32Array.BYTES_PER_ELEMENT
}

/** Vectors in memory, bounded by bytes: the one that was used longest ago goes first. */
export class MemoryTier {
  readonly #isFresh: MemoryTierOptions['isFresh']
  readonly #entries: LruMap<CacheKey, CacheEntry>

  constructor({ maxBytes, isFresh }: MemoryTierOptions) {
    this.#isFresh = isFresh
    this.#entries = new LruMap({ maxBytes })
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#entries.bytes
  }

  /** Undefined when it is not there, or too old. */
  get(key: CacheKey): CacheEntry | undefined {
    const entry = this.#entries.get(key)
    if (!entry || this.#isFresh(entry)) return entry
    this.#entries.delete(key)
    return undefined
  }

  /** Like `get`, but counts as no use. */
  peek(key: CacheKey): CacheEntry | undefined {
    const entry = this.#entries.peek(key)
    return entry && this.#isFresh(entry) ? entry : undefined
  }

  /** An entry that is larger than the whole tier is left out. */
  set(entry: CacheEntry): void {
    this.#entries.set(entry.key, entry, memoryBytes(entry.vector.length))
  }

  /** Those that are not too old, the one that was used longest ago first. */
  entries(): readonly CacheEntry[] {
    return [...this.#entries.values()].filter(this.#isFresh)
  }
}
