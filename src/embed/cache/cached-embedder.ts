import { setImmediate as nextTurn } from 'node:timers/promises'
import { isStreamError, StreamError } from '../../errors.ts'
import { type Embedder, type EmbedderId, type EmbedderStats, type EmbedOptions, inputTypeOf } from '../embedder.ts'
import { namingText } from '../naming-text.ts'
import { SharedOpening } from '../shared-opening.ts'
import type { CacheKey, KeyOf } from './cache-key.ts'
import type { CacheEntry } from './entry.ts'
import type { CacheStats, TierOptions, Tiers } from './tiers.ts'

/** A text that is not in the cache. */
interface Miss {
  /** Place of the text in the call. */
  readonly at: number
  readonly text: string
  readonly key: CacheKey
}

interface Call {
  readonly signal: AbortSignal
  readonly options: EmbedOptions
  /** Filled in as vectors are found or made. */
  readonly vectors: Float32Array[]
}

interface Opened {
  readonly keyOf: KeyOf
  readonly tiers: Tiers
  close(): Promise<void>
}

/** What is looked up before the event loop gets its turn: some milliseconds. A look-up costs as much as hashing so many characters. */
const sliceCharacters = 262_144
const lookUpCharacters = 1_024

/** Every member of the port, those too that an embedder may leave out: nothing that it says of itself is lost on the way. */
type WholeEmbedder = { readonly [Name in keyof Required<Embedder>]: Embedder[Name] }

/** See `cached`. */
export class CachedEmbedder implements WholeEmbedder {
  readonly #embedder: Embedder
  readonly #options: TierOptions
  readonly #shared: SharedOpening<Opened>

  /** Use `cached`. */
  constructor(embedder: Embedder, options: TierOptions) {
    this.#embedder = embedder
    this.#options = options
    this.#shared = new SharedOpening('the embedding cache', () => openAll(embedder, options))
  }

  get id(): EmbedderId {
    return this.#embedder.id
  }

  get dimensions(): number {
    return this.#embedder.dimensions
  }

  get maxTokens(): number {
    return this.#embedder.maxTokens
  }

  get countTokens(): Embedder['countTokens'] {
    return this.#embedder.countTokens
  }

  get textsAtOnce(): number | undefined {
    return this.#embedder.textsAtOnce
  }

  get behind(): Embedder {
    return this.#embedder
  }

  /** Those of the embedder behind; `texts` counts the hits too. */
  get stats(): EmbedderStats {
    const { memoryHits, diskHits } = this.cacheStats
    const { texts, ...others } = this.#embedder.stats
    return { ...others, texts: texts + memoryHits + diskHits }
  }

  /** Throws ILLEGAL_STATE before `open`. */
  get cacheStats(): CacheStats {
    return this.#shared.known.tiers.stats
  }

  /** What is on disk, or in memory when there is no disk; what was made or used last comes last. */
  entries(): AsyncIterable<CacheEntry> | Iterable<CacheEntry> {
    return this.#shared.opened.tiers.entries()
  }

  /** Adds entries of this embedder from elsewhere, unless it has one as new; gives how many. Rejects when the disk does not take them. */
  async import(entries: readonly CacheEntry[]): Promise<number> {
    return this.#shared.opened.tiers.import(entries)
  }

  open(): Promise<void> {
    return this.#shared.open()
  }

  /** Waits until what was made is on disk, as far as the disk takes it. */
  close(): Promise<void> {
    return this.#shared.close()
  }

  async embed(texts: readonly string[], signal: AbortSignal, options: EmbedOptions = {}): Promise<Float32Array[]> {
    const { opened } = this.#shared
    signal.throwIfAborted()
    inputTypeOf(options)
    const call: Call = { signal, options, vectors: new Array<Float32Array>(texts.length) }
    const misses = await lookUp(texts, call, opened)
    if (misses.length > 0) await this.#make(misses, call, opened.tiers)
    return call.vectors
  }

  /** Has what is missing embedded. Equal texts that others are waiting for are the embedder's to share. */
  async #make(misses: readonly Miss[], { signal, options, vectors }: Call, tiers: Tiers): Promise<void> {
    const truncated = new Set<number>()
    const onTruncated = (row: number) => {
      truncated.add(row)
      const miss = misses[row]
      if (miss) options.onTruncated?.(miss.at)
    }
    const texts = misses.map(({ text }) => text)
    const made = await this.#embedder.embed(texts, signal, { ...options, onTruncated }).catch((error: unknown) => {
      const miss = isStreamError(error) ? misses[Number(error.details.text)] : undefined
      throw miss ? namingText(error, miss.at, vectors.length) : error
    })
    const madeAt = this.#options.clock.now()
    const entries: CacheEntry[] = []
    for (const [row, { at, key }] of misses.entries()) {
      const vector = made[row]
      if (!vector) throw new StreamError('EMBED_FAILED', `asked for ${texts.length} vectors and got ${made.length}`)
      vectors[at] = vector
      entries.push({ key, vector: owned(vector), madeAt, truncated: truncated.has(row) })
    }
    tiers.keep(entries)
  }
}

async function openAll(embedder: Embedder, options: TierOptions): Promise<Opened> {
  // Loaded when they are needed, as all of the package that a program may never use: it starts sooner.
  const [{ keysOf }, { Tiers }] = await Promise.all([import('./cache-key.ts'), import('./tiers.ts')])
  await embedder.open()
  const { id, dimensions } = embedder
  const tiers = await Tiers.open(id, dimensions, options)
  const close = async () => {
    await tiers.close()
    await embedder.close()
  }
  return { keyOf: keysOf(id), tiers, close }
}

/** Puts the vectors that are known into the call, and gives what is missing. */
async function lookUp(texts: readonly string[], call: Call, { keyOf, tiers }: Opened): Promise<readonly Miss[]> {
  const { signal, options, vectors } = call
  const misses: Miss[] = []
  let characters = 0
  for (const [at, text] of texts.entries()) {
    if (characters >= sliceCharacters) {
      characters = 0
      await nextTurn()
      signal.throwIfAborted()
    }
    characters += text.length + lookUpCharacters
    const key = keyOf(text, options.inputType)
    const entry = tiers.find(key)
    if (entry) vectors[at] = entry.vector
    else misses.push({ at, text, key })
    if (entry?.truncated) options.onTruncated?.(at)
  }
  return misses
}

/** A view would hold the whole batch in memory. */
function owned(vector: Float32Array): Float32Array {
  return vector.byteLength === vector.buffer.byteLength ? vector : vector.slice()
}
