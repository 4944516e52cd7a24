import { type Clock, systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import type { openLevelStore } from '../../state/level-store.ts'
import type { Embedder } from '../embedder.ts'
import { refuseUnknownOptions } from '../option-names.ts'
import {
  clockKind,
  loggerKind,
  type OptionKinds,
  orName,
  requireKinds,
  text,
  typeNameOf,
  wholeNumber,
} from '../option-values.ts'
import { CachedEmbedder } from './cached-embedder.ts'

export interface CacheOptions {
  /**
   * Memory for vectors; the one that was used longest ago goes first. A vector costs 4 bytes a dimension and 768 more: 2.3 kB at 384
   * dimensions. Bytes, default 64 MiB, 0 for none.
   */
  readonly maxMemoryBytes?: number
  /** Folder that keeps vectors across restarts; one process at a time. Default: none, vectors are kept in memory alone. */
  readonly path?: string
  /**
   * Vectors that the folder may hold for each embedder, with their keys; the oldest go first. Bytes, default 1 GiB: some 640,000
   * vectors of 384 dimensions.
   */
  readonly maxDiskBytes?: number
  /** How long a vector is used after it was made. Milliseconds; default: for ever, because an embedder does not change its mind. */
  readonly ttlMs?: number
  /** How many of the newest vectors are read from the folder into memory by `open`: a number, or `all` that fit. Default 0. */
  readonly warmUp?: number | 'all'
  readonly clock?: Clock
  /** Told when the folder cannot be used, once. */
  readonly logger?: Logger
}

const cacheOptionKinds: OptionKinds<CacheOptions> = {
  maxMemoryBytes: wholeNumber(0),
  path: text,
  maxDiskBytes: wholeNumber(0),
  ttlMs: { words: 'greater than 0', type: 'number', fits: (value) => typeof value === 'number' && value > 0 },
  warmUp: orName(wholeNumber(0), 'all'),
  clock: clockKind,
  logger: loggerKind,
}

const defaultMemoryBytes = 64 * 1024 * 1024
const defaultDiskBytes = 1024 * 1024 * 1024

/**
 * An embedder that remembers its vectors: a text that it has embedded before costs a look-up, in memory and then in a folder. Texts are
 * known by the SHA-256 of the embedder's id, the input type and the text, so that no vector ever comes from another model.
 *
 * The cache never fails a call. A folder that another process holds, a full disk or a damaged entry cost the embedding of a text; they
 * are counted in `cacheStats`. Give several embedders one path if you like: each gets a folder of its own in it. Two caches of the same
 * embedder cannot share one path; pass the cache itself around instead, it may be opened more than once.
 *
 * Throws CONFIG_INVALID for options that are unknown or make no sense; the folder is not touched before `open`.
 *
 * @example
 * const embedder = cached(onnx({ model: 'all-MiniLM-L6-v2' }), { path: '.millrace/vectors' })
 * stream.process(diff('changes', { against: index })).process(embed('vectors', embedder)).to('index', index)
 */
export function cached(embedder: Embedder, options: CacheOptions = {}): CachedEmbedder {
  requireEmbedder(embedder)
  refuseUnknownOptions('cached', options, Object.keys(cacheOptionKinds))
  requireKinds(options, cacheOptionKinds, ' of a cache')
  const { maxMemoryBytes = defaultMemoryBytes, maxDiskBytes = defaultDiskBytes, warmUp = 0 } = options
  const { ttlMs = Number.POSITIVE_INFINITY, path, clock = systemClock, logger = silentLogger } = options
  if (path === '') throw new StreamError('CONFIG_INVALID', 'path of a cache is empty')
  return new CachedEmbedder(embedder, { maxMemoryBytes, maxDiskBytes, ttlMs, warmUp, path, clock, logger, openStore })
}

/** For programs in JavaScript. */
function requireEmbedder(embedder: Embedder): void {
  if (typeof embedder === 'object' && embedder !== null && 'embed' in embedder) return
  throw new StreamError('CONFIG_INVALID', `cached takes an embedder, not ${typeNameOf(embedder)}`, {
    fix: "Give it one: cached(onnx({ model: 'all-MiniLM-L6-v2' })).",
  })
}

/** Loads LevelDB only for a cache that has a folder: it is an eighth of the time to the first vector of a process. */
const openStore: typeof openLevelStore = async (options) => {
  const { openLevelStore } = await import('../../state/level-store.ts')
  return openLevelStore(options)
}
