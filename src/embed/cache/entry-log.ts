import { StreamError } from '../../errors.ts'
import type { ByteChange, ByteStore } from '../../state/store.ts'
import type { EmbedderId } from '../embedder.ts'
import { type CacheKey, keyBytes } from './cache-key.ts'
import { type CacheEntry, decodeEntry, encodedKey, encodeEntry, entryBytes } from './entry.ts'

export interface EntryLogOptions {
  readonly embedder: EmbedderId
  readonly dimensions: number
  readonly maxBytes: number
}

/** Raised with every change to the layout below; what another version wrote is not touched. */
const formatVersion = 1

/** First bytes of keys. */
const entryTag = 'e'.charCodeAt(0)
const formatKey = Buffer.from('f')
const placeTag = 'p'.charCodeAt(0)
const numberBytes = 8
/** Entries that are taken away by one write when the log has become smaller. */
const trimmedAtOnce = 1_000
/** Whenever so large a part of the log has gone, the disk gets its room back. */
const garbageRatio = 1 / 8

/**
 * The vectors of one embedder on disk, oldest first, in a ByteStore:
 *
 *     f              format and embedder
 *     e <number>     an entry; numbers go up without gaps, 8 bytes big-endian
 *     p <text key>   the number of the latest entry of that text
 *
 * New entries are appended. At the bound the oldest go, in the same write, so that neither a crash nor a restart exceeds it. Because
 * vectors lie in the order in which they came, LevelDB moves its files instead of rewriting them, and whole files of it go when an
 * eighth of the log has gone.
 */
export class EntryLog {
  readonly #store: ByteStore
  readonly #dimensions: number
  readonly #maxEntries: number
  readonly #bytesPerEntry: number
  /** The entries are those from `#first` up to, but without, `#next`. */
  #first: number
  #next: number
  #writing: Promise<void> = Promise.resolve()

  private constructor(store: ByteStore, { dimensions, maxBytes }: EntryLogOptions, [first, next]: [number, number]) {
    this.#store = store
    this.#dimensions = dimensions
    this.#bytesPerEntry = numberKey(0).length + entryBytes(dimensions) + 1 + keyBytes + numberBytes
    this.#maxEntries = Math.floor(maxBytes / this.#bytesPerEntry)
    this.#first = first
    this.#next = next
  }

  /** The store belongs to the log from now on. Throws STATE_FORMAT when something else is in it, STATE_CORRUPT, STATE_IO. */
  static async open(store: ByteStore, options: EntryLogOptions): Promise<EntryLog> {
    await claim(store, options.embedder)
    const first = await edgeOf(store, false)
    const last = await edgeOf(store, true)
    const log = new EntryLog(store, options, first === undefined || last === undefined ? [0, 0] : [first, last + 1])
    await log.#trim()
    return log
  }

  get size(): number {
    return this.#next - this.#first
  }

  /** Keys and values of what is there. The files take up to an eighth more, and some 20 MB while LevelDB cleans up. */
  get bytes(): number {
    return this.size * this.#bytesPerEntry
  }

  /** `damaged` when there is something that cannot be read. */
  get(key: CacheKey): CacheEntry | 'damaged' | undefined {
    const place = this.#store.get(placeKey(key))
    if (!place) return undefined
    const encoded = this.#store.get(Buffer.concat([Buffer.of(entryTag), place]))
    const entry = encoded && decodeEntry(encoded, this.#dimensions)
    return entry?.key === key ? entry : 'damaged'
  }

  /** Waits for its turn: writes go one after the other. All of them, or none, also across a crash. */
  append(entries: readonly CacheEntry[]): Promise<void> {
    const written = this.#writing.then(() => this.#append(entries))
    this.#writing = written.catch(() => undefined)
    return written
  }

  /** The newest entries, the oldest of them first. Leaves out what is damaged, and what a newer entry of the same text replaces. */
  async *newest(count = Number.POSITIVE_INFINITY): AsyncGenerator<CacheEntry> {
    const from = Math.max(this.#first, this.#next - count)
    for await (const [key, encoded] of this.#store.range({ gte: numberKey(from), lt: numberKey(this.#next) })) {
      const entry = decodeEntry(encoded, this.#dimensions)
      if (entry && this.#isLatest(entry.key, key)) yield entry
    }
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#store.close()
  }

  async #append(entries: readonly CacheEntry[]): Promise<void> {
    const kept = this.#maxEntries === 0 ? [] : entries.slice(-this.#maxEntries)
    const first = Math.max(this.#first, this.#next + kept.length - this.#maxEntries)
    const changes = this.#deletions(first)
    for (const [at, entry] of kept.entries()) {
      const key = numberKey(this.#next + at)
      changes.push({ key, value: encodeEntry(entry) }, { key: placeKey(entry.key), value: key.subarray(1) })
    }
    await this.#store.write(changes)
    this.#next += kept.length
    await this.#advance(first)
  }

  /** The entries before `first` are gone. */
  async #advance(first: number): Promise<void> {
    const step = Math.ceil(this.#maxEntries * garbageRatio) || 1
    const isDue = Math.floor(first / step) > Math.floor(this.#first / step)
    this.#first = first
    if (isDue) await this.#store.compact?.(numberKey(0), numberKey(first))
  }

  /** For a log that was larger once. */
  async #trim(): Promise<void> {
    while (this.size > this.#maxEntries) {
      const first = Math.min(this.#first + trimmedAtOnce, this.#next - this.#maxEntries)
      await this.#store.write(this.#deletions(first))
      await this.#advance(first)
    }
  }

  #deletions(until: number): ByteChange[] {
    const changes: ByteChange[] = []
    for (let number = this.#first; number < until; number++) {
      const key = numberKey(number)
      const encoded = this.#store.get(key)
      if (!encoded) continue
      changes.push({ key, value: null })
      const textKey = encodedKey(encoded)
      if (this.#isLatest(textKey, key)) changes.push({ key: placeKey(textKey), value: null })
    }
    return changes
  }

  #isLatest(textKey: CacheKey, key: Uint8Array): boolean {
    const place = this.#store.get(placeKey(textKey))
    return place !== undefined && Buffer.compare(place, key.subarray(1)) === 0
  }
}

async function claim(store: ByteStore, embedder: EmbedderId): Promise<void> {
  const claimed = JSON.stringify({ format: formatVersion, embedder })
  const found = store.get(formatKey)
  if (!found) return store.write([{ key: formatKey, value: Buffer.from(claimed) }])
  if (Buffer.from(found).toString() === claimed) return
  throw new StreamError('STATE_FORMAT', 'the embedding cache was written by another version', {
    fix: 'Run the version that wrote it, or name another folder.',
  })
}

/** The number of the first or the last entry. */
async function edgeOf(store: ByteStore, reverse: boolean): Promise<number | undefined> {
  const range = { gte: numberKey(0), lt: Buffer.of(entryTag + 1), limit: 1, reverse }
  for await (const [key] of store.range(range))
    return Number(Buffer.from(key.buffer, key.byteOffset, key.byteLength).readBigUInt64BE(1))
  return undefined
}

function numberKey(number: number): Buffer {
  const key = Buffer.allocUnsafe(1 + numberBytes)
  key[0] = entryTag
  key.writeBigUInt64BE(BigInt(number), 1)
  return key
}

function placeKey(key: CacheKey): Buffer {
  const bytes = Buffer.allocUnsafe(1 + keyBytes)
  bytes[0] = placeTag
  bytes.write(key, 1, 'latin1')
  return bytes
}
