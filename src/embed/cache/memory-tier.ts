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
  readonly #options: MemoryTierOptions
  /** In the order of use, the latest last. */
  readonly #entries = new Map<CacheKey, CacheEntry>()
  #bytes = 0

  constructor(options: MemoryTierOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Undefined when it is not there, or too old. */
  get(key: CacheKey): CacheEntry | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    this.#delete(entry)
    if (!this.#options.isFresh(entry)) return undefined
    this.#append(entry)
    return entry
  }

  /** Like `get`, but counts as no use. */
  peek(key: CacheKey): CacheEntry | undefined {
    const entry = this.#entries.get(key)
    return entry && this.#options.isFresh(entry) ? entry : undefined
  }

  /** An entry that is larger than the whole tier is left out. */
  set(entry: CacheEntry): void {
    const known = this.#entries.get(entry.key)
    if (known) this.#delete(known)
    const bytes = memoryBytes(entry.vector.length)
    if (bytes > this.#options.maxBytes) return
    for (const oldest of this.#entries.values()) {
      if (this.#bytes + bytes <= this.#options.maxBytes) break
      this.#delete(oldest)
    }
    this.#append(entry)
  }

  /** Those that are not too old, the one that was used longest ago first. */
  entries(): readonly CacheEntry[] {
    return [...this.#entries.values()].filter(this.#options.isFresh)
  }

  #append(entry: CacheEntry): void {
    this.#entries.set(entry.key, entry)
    this.#bytes += memoryBytes(entry.vector.length)
  }

  #delete(entry: CacheEntry): void {
    this.#entries.delete(entry.key)
    this.#bytes -= memoryBytes(entry.vector.length)
  }
}
