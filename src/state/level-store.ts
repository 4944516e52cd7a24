import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel, type Iterator } from 'classic-level'
import { isStreamError, reasonOf, StreamError, toStreamError } from '../errors.ts'
import { makeFolder } from './make-folder.ts'
import type { ByteChange, ByteEntry, ByteRange, ByteStore, WriteOptions } from './store.ts'

export interface LevelStoreOptions {
  /** Memory for uncompressed blocks that were read. Bytes, default 8 MiB. */
  readonly cacheBytes?: number
  /** Size of the write buffer; up to two are held. Bytes, default 4 MiB. */
  readonly writeBufferBytes?: number
  /** Size of the table files. Bytes, default 2 MiB. */
  readonly tableFileBytes?: number
  /**
   * Table files that stay open. LevelDB maps them into memory, so that what was read of them counts as memory of the process. Default
   * 1,000.
   */
  readonly maxOpenFiles?: number
}

type Level = ClassicLevel<Uint8Array, Uint8Array>

/** Iterators start with small reads, because most ranges are short, and double up to this many entries. */
const firstReadEntries = 16
const maxReadEntries = 1024
const maxReadBytes = 128 * 1024

/**
 * Opens, or creates, a ByteStore in a directory of its own: LevelDB through classic-level. One process at a time; the lock goes with
 * the process, however it ends.
 *
 * Throws STATE_LOCKED when another store holds the directory, STATE_CORRUPT when its files cannot be read as a whole, STATE_IO for
 * anything else that the disk refuses; after a write that it refused, every further one has the same error until the store is opened again.
 *
 * @example
 * await using store = await openLevelStore('.millrace/log')
 */
export async function openLevelStore(directory: string, options: LevelStoreOptions = {}): Promise<ByteStore> {
  const level: Level = new ClassicLevel(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    ...(options.cacheBytes !== undefined && { cacheSize: options.cacheBytes }),
    ...(options.writeBufferBytes !== undefined && { writeBufferSize: options.writeBufferBytes }),
    ...(options.tableFileBytes !== undefined && { maxFileSize: options.tableFileBytes }),
    ...(options.maxOpenFiles !== undefined && { maxOpenFiles: options.maxOpenFiles }),
  })
  try {
    await makeFolder(directory)
    await level.open()
  } catch (error) {
    throw storeError(directory, error)
  }
  return new LevelStore(level)
}

/** The file that LevelDB locks before it looks at any other. */
const lockFile = 'LOCK'

/**
 * `openLevelStore` for what may be lost, such as a store that is only a lock: a damaged one starts again empty. Throws STATE_LOCKED,
 * STATE_IO.
 */
export async function openExpendableStore(directory: string, options: LevelStoreOptions = {}): Promise<ByteStore> {
  try {
    return await openLevelStore(directory, options)
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'STATE_CORRUPT') throw error
    await emptyStore(directory)
    return openLevelStore(directory, options)
  }
}

/** Leaves the file that is locked: were it made anew, another process could hold the old one at the same time. */
async function emptyStore(directory: string): Promise<void> {
  try {
    const files = (await readdir(directory)).filter((name) => name !== lockFile)
    for (const name of files) await rm(join(directory, name), { recursive: true, force: true })
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `the damaged store in ${directory} cannot be emptied`)
  }
}

class LevelStore implements ByteStore {
  readonly #level: Level
  /** Why nothing is written any more. */
  #refusal: StreamError | undefined

  constructor(level: Level) {
    this.#level = level
  }

  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#level.getSync(key)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  range(range: ByteRange = {}): AsyncIterable<ByteEntry> {
    try {
      // LevelDB takes the snapshot when the iterator is made; it is held until the iterator is closed, at the latest by close().
      return this.#entries(this.#level.iterator({ ...range, highWaterMarkBytes: maxReadBytes }))
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async write(changes: readonly ByteChange[], options: WriteOptions = {}): Promise<void> {
    const operations = changes.map(({ key, value }) =>
      value === null ? { type: 'del' as const, key } : { type: 'put' as const, key, value },
    )
    await this.#change(() => this.#level.batch(operations, { sync: options.sync ?? false }))
  }

  async clear(range: ByteRange = {}): Promise<void> {
    await this.#change(() => this.#level.clear(range))
  }

  async compact(from: Uint8Array, to: Uint8Array): Promise<void> {
    await this.#attempt(() => this.#level.compactRange(from, to))
  }

  async diskBytes(from: Uint8Array, to: Uint8Array): Promise<number> {
    return this.#attempt(() => this.#level.approximateSize(from, to))
  }

  /** Ends iterations that are still going on, waits for the operations that have begun, and releases the lock. */
  async close(): Promise<void> {
    await this.#attempt(() => this.#level.close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async *#entries(iterator: Iterator<Level, Uint8Array, Uint8Array>): AsyncGenerator<ByteEntry> {
    try {
      for (let size = firstReadEntries; ; size = Math.min(size * 2, maxReadEntries)) {
        const entries = await this.#attempt(() => iterator.nextv(size))
        if (entries.length === 0) return
        yield* entries
      }
    } finally {
      await iterator.close()
    }
  }

  /**
   * The first write that the disk refuses is the last one: LevelDB would write on behind the torn end of its log, acknowledge it, and find
   * none of it when it is opened again.
   */
  async #change(operation: () => Promise<void>): Promise<void> {
    if (!this.#refusal) {
      try {
        await operation()
      } catch (error) {
        const failure = this.#failure(error)
        if (!isOfDisk(failure)) throw failure
        this.#refusal ??= failure
      }
    }
    if (this.#refusal) throw this.#refusal
  }

  async #attempt<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation()
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #failure(error: unknown): StreamError {
    return storeError(this.#level.location, error)
  }
}

function isOfDisk({ cause }: StreamError): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_IO_ERROR'
}

function storeError(directory: string, error: unknown): StreamError {
  // Opening wraps what LevelDB said into a general error.
  const origin = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = origin instanceof Error && 'code' in origin ? origin.code : undefined
  const reason = reasonOf(origin)
  if (code === 'LEVEL_LOCKED') {
    return new StreamError('STATE_LOCKED', `the store in ${directory} is in use`, { cause: origin })
  }
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return new StreamError('ILLEGAL_STATE', `the store in ${directory} was used after it was closed`, { cause: origin })
  }
  // A file that LevelDB expects and does not find is gone for good, like a damaged one: only a new store helps.
  if (code === 'LEVEL_CORRUPTION' || /^Corruption|^IO error: .*No such file/.test(reason)) {
    return new StreamError('STATE_CORRUPT', `the store in ${directory} is damaged: ${reason}`, { cause: origin })
  }
  return new StreamError('STATE_IO', `the store in ${directory} cannot be used: ${reason}`, { cause: origin })
}
