import { hash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isStreamError, reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { LevelStoreOptions } from '../../state/level-store.ts'
import type { ByteStore } from '../../state/store.ts'
import type { EmbedderId } from '../embedder.ts'
import type { CacheKey } from './cache-key.ts'
import type { CacheEntry } from './entry.ts'
import { EntryLog } from './entry-log.ts'

export type OpenStore = (directory: string, options: LevelStoreOptions) => Promise<ByteStore>

export interface DiskTierOptions {
  readonly path: string
  readonly embedder: EmbedderId
  readonly dimensions: number
  readonly maxBytes: number
  readonly isFresh: (entry: CacheEntry) => boolean
  readonly logger: Logger
  readonly openStore: OpenStore
}

/** While so many entries wait to be written, no more are taken: at 384 dimensions 1.6 MB, and the last call that was taken. */
const maxWaitingEntries = 1_024
const writtenAtOnce = 1_024
/** What is read is in the memory tier afterwards, so that LevelDB need not remember it, and few of its files need to be mapped. */
const levelOptions: LevelStoreOptions = {
  cacheBytes: 1024 * 1024,
  writeBufferBytes: 2 * 1024 * 1024,
  maxOpenFiles: 128,
}

/**
 * The vectors of one embedder in a folder of their own in `path`. Never fails: a disk that cannot be used knows nothing and keeps
 * nothing. That is counted, and told once.
 */
export class DiskTier {
  readonly #options: DiskTierOptions
  #log: EntryLog | undefined
  /** Why there is no log. */
  #refusal: unknown
  /** Something in the folder cannot be read for good, and would be in the way of deletions for ever. */
  #isDamaged = false
  /** The logger knows that the disk fails. */
  #isTold = false
  #waiting: CacheEntry[] = []
  #writing: Promise<void> | undefined
  readonly #counted = { diskFailures: 0, damagedEntries: 0, unwrittenEntries: 0 }

  private constructor(options: DiskTierOptions) {
    this.#options = options
  }

  static async open(options: DiskTierOptions): Promise<DiskTier> {
    const tier = new DiskTier(options)
    try {
      tier.#log = await tier.#openLog()
    } catch (error) {
      tier.#refusal = error
      tier.#fail(error)
    }
    return tier
  }

  /** False when it could not be opened. */
  get isOpen(): boolean {
    return this.#log !== undefined
  }

  get stats() {
    return { diskEntries: this.#log?.size ?? 0, diskBytes: this.#log?.bytes ?? 0, ...this.#counted }
  }

  /** Undefined when it is not there, too old, damaged, or cannot be read. */
  get(key: CacheKey): CacheEntry | undefined {
    try {
      const entry = this.#log?.get(key)
      if (entry === 'damaged') this.#counted.damagedEntries++
      return entry && entry !== 'damaged' && this.#options.isFresh(entry) ? entry : undefined
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  /** Writes them when it can; nobody waits for that. A disk that is too far behind misses some. */
  add(entries: readonly CacheEntry[]): void {
    if (!this.#log || this.#waiting.length >= maxWaitingEntries) {
      this.#counted.unwrittenEntries += entries.length
      return
    }
    this.#waiting.push(...entries)
    this.#writing ??= this.#writeWaiting()
  }

  /** Like `add`, but says when they are written. Rejects when they cannot be. */
  async write(entries: readonly CacheEntry[]): Promise<void> {
    if (!this.#log) throw this.#refusal
    await this.#log.append(entries)
  }

  /** The newest entries that are not too old, the oldest of them first. Rejects when they cannot be read. */
  async *newest(count?: number): AsyncGenerator<CacheEntry> {
    await this.#writing
    for await (const entry of this.#log?.newest(count) ?? []) if (this.#options.isFresh(entry)) yield entry
  }

  /** Hands the newest entries to `take`, as far as they can be read. */
  async load(count: number, take: (entry: CacheEntry) => void): Promise<void> {
    try {
      for await (const entry of this.newest(count)) take(entry)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Waits for what is to be written. A damaged folder is deleted, so that the next one to open it starts again. */
  async close(): Promise<void> {
    while (this.#writing) await this.#writing
    const log = this.#log
    this.#log = undefined
    try {
      await log?.close()
      if (this.#isDamaged) await rm(folderOf(this.#options), { recursive: true, force: true })
    } catch (error) {
      this.#fail(error)
    }
  }

  /** A folder that is damaged as a whole is emptied. */
  async #openLog(): Promise<EntryLog> {
    try {
      return await openLogIn(this.#options)
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'STATE_CORRUPT') throw error
      this.#counted.diskFailures++
      const path = folderOf(this.#options)
      this.#options.logger.warn(
        { path, reason: error.fact },
        'the embedding cache on disk is damaged and starts again empty',
      )
      await rm(path, { recursive: true, force: true })
      return openLogIn(this.#options)
    }
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const entries = this.#waiting.splice(0, writtenAtOnce)
      try {
        await this.write(entries)
      } catch (error) {
        this.#counted.unwrittenEntries += entries.length
        this.#fail(error)
      }
    }
    this.#writing = undefined
  }

  #fail(error: unknown): void {
    if (isStreamError(error) && error.code === 'STATE_CORRUPT') this.#isDamaged = true
    this.#counted.diskFailures++
    if (this.#isTold) return
    this.#isTold = true
    const { logger, path } = this.#options
    const facts = isStreamError(error) ? { code: error.code, reason: error.fact } : { reason: reasonOf(error) }
    logger.warn({ path, ...facts }, 'the embedding cache cannot use its disk; texts are embedded that it may hold')
  }
}

async function openLogIn(options: DiskTierOptions): Promise<EntryLog> {
  const store = await options.openStore(folderOf(options), levelOptions)
  try {
    return await EntryLog.open(store, options)
  } catch (error) {
    await store.close()
    throw error
  }
}

function folderOf({ path, embedder }: DiskTierOptions): string {
  return join(path, hash('sha256', embedder).slice(0, 16))
}
