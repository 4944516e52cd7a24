import type { Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import type { EmbedderId } from '../embedder.ts'
import type { CacheKey } from './cache-key.ts'
import { DiskTier, type OpenStore } from './disk-tier.ts'
import { type CacheEntry, isVector } from './entry.ts'
import { MemoryTier, memoryBytes } from './memory-tier.ts'

export interface TierOptions {
  readonly maxMemoryBytes: number
  readonly maxDiskBytes: number
  readonly ttlMs: number
  readonly warmUp: number | 'all'
  readonly path: string | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly openStore: OpenStore
}

/** Counts since `open`, and what is held now. `memoryHits + diskHits + misses` are the texts that were asked for. */
export interface CacheStats {
  readonly memoryHits: number
  readonly diskHits: number
  readonly misses: number
  readonly memoryEntries: number
  /** With what they cost beside their numbers. */
  readonly memoryBytes: number
  readonly diskEntries: number
  readonly diskBytes: number
  /** Operations that the disk refused. A folder that was damaged as a whole, and started again empty, counts as one. */
  readonly diskFailures: number
  /** Entries on disk that could not be read; they counted as misses. */
  readonly damagedEntries: number
  /** Vectors that are not on disk because it refused them, or could not follow. */
  readonly unwrittenEntries: number
}

/** The vectors of one embedder: some in memory, more on disk if there is a path. */
export class Tiers {
  readonly #dimensions: number
  readonly #memory: MemoryTier
  readonly #disk: DiskTier | undefined
  readonly #counted = { memoryHits: 0, diskHits: 0, misses: 0 }

  private constructor(dimensions: number, memory: MemoryTier, disk?: DiskTier) {
    this.#dimensions = dimensions
    this.#memory = memory
    this.#disk = disk
  }

  static async open(embedder: EmbedderId, dimensions: number, options: TierOptions): Promise<Tiers> {
    const { clock, ttlMs, maxMemoryBytes, path, maxDiskBytes, logger, openStore } = options
    // The wall clock may be set back: what comes from too far ahead is too old as well, or it would stay until then.
    const isFresh = ({ madeAt }: CacheEntry) => Math.abs(clock.now() - madeAt) < ttlMs
    const memory = new MemoryTier({ maxBytes: maxMemoryBytes, isFresh })
    if (path === undefined) return new Tiers(dimensions, memory)
    const disk = await DiskTier.open({ path, embedder, dimensions, maxBytes: maxDiskBytes, isFresh, logger, openStore })
    const room = Math.floor(maxMemoryBytes / memoryBytes(dimensions))
    const warm = options.warmUp === 'all' ? room : Math.min(room, options.warmUp)
    if (warm > 0) await disk.load(warm, (entry) => memory.set(entry))
    return new Tiers(dimensions, memory, disk)
  }

  get stats(): CacheStats {
    const none = { diskEntries: 0, diskBytes: 0, diskFailures: 0, damagedEntries: 0, unwrittenEntries: 0 }
    const { size, bytes } = this.#memory
    return { ...this.#counted, memoryEntries: size, memoryBytes: bytes, ...(this.#disk?.stats ?? none) }
  }

  /** Counts as asked for. */
  find(key: CacheKey): CacheEntry | undefined {
    const inMemory = this.#memory.get(key)
    if (inMemory) {
      this.#counted.memoryHits++
      return inMemory
    }
    const onDisk = this.#disk?.get(key)
    if (onDisk) {
      this.#counted.diskHits++
      this.#memory.set(onDisk)
      return onDisk
    }
    this.#counted.misses++
    return undefined
  }

  /** Equal texts that were under way together come here one after the other: the first is kept. What is no vector is left out. */
  keep(entries: readonly CacheEntry[]): void {
    const fresh: CacheEntry[] = []
    for (const entry of entries) {
      if (this.#memory.peek(entry.key) || !isVector(entry.vector, this.#dimensions)) continue
      this.#memory.set(entry)
      fresh.push(entry)
    }
    this.#disk?.add(fresh)
  }

  /**
   * Entries from elsewhere, unless there is one as new; gives how many were taken. Unlike `keep` it waits for the disk, and rejects when the
   * disk does.
   */
  async import(entries: readonly CacheEntry[]): Promise<number> {
    const taken = entries.filter(({ key, madeAt }) => {
      const known = this.#disk ? this.#disk.get(key) : this.#memory.peek(key)
      return known === undefined || known.madeAt < madeAt
    })
    if (this.#disk) await this.#disk.write(taken)
    else for (const entry of taken) this.#memory.set(entry)
    return taken.length
  }

  /** What is on disk, or in memory when there is no disk; what was made or used last comes last. */
  entries(): AsyncIterable<CacheEntry> | Iterable<CacheEntry> {
    return this.#disk?.isOpen ? this.#disk.newest() : this.#memory.entries()
  }

  async close(): Promise<void> {
    await this.#disk?.close()
  }
}
