import { open, rename, rm } from 'node:fs/promises'
import { StreamError, toStreamError } from '../../errors.ts'
import type { CachedEmbedder } from './cached-embedder.ts'
import type { CacheEntry } from './entry.ts'

/**
 * A file of cached vectors:
 *
 *     {"format":"millrace-embedding-cache","version":1,"embedder":"...","dimensions":384}\n
 *     entries, one after the other, as `encodeEntry` makes them: all of one length
 *     "end\n" and the number of entries (8 bytes, little-endian)
 */
interface Header {
  readonly format: 'millrace-embedding-cache'
  readonly version: 1
  readonly embedder: string
  readonly dimensions: number
}

export interface CacheImport {
  /** Entries that were taken: those that the cache did not have, or had from an earlier time. */
  readonly entries: number
  /** Entries that were left out because they are damaged. */
  readonly damaged: number
}

const endMark = Buffer.from('end\n')
const endBytes = endMark.length + 8
const maxHeaderBytes = 64 * 1024
const writtenAtOnce = 64 * 1024
const importedAtOnce = 256

/**
 * Writes what an open cache holds to one file, for another machine: what is on disk, or without a folder what is in memory. Takes some
 * kilobytes of memory however large it is. The file is there when it is whole; one of the same name is replaced then. Gives the number
 * of entries. Throws ILLEGAL_STATE when the cache is not open, STATE_IO when the file cannot be written or the cache not be read.
 *
 * @example
 * await exportCache(embedder, 'vectors.cache')
 */
export async function exportCache(cache: CachedEmbedder, file: string): Promise<number> {
  const { encodeEntry, entryBytes } = await import('./entry.ts')
  const { id, dimensions } = cache
  const held = cache.entries()
  const header: Header = { format: 'millrace-embedding-cache', version: 1, embedder: id, dimensions }
  let entries = 0
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${JSON.stringify(header)}\n`)
    let encoded: Uint8Array[] = []
    for await (const entry of held) {
      entries++
      encoded.push(encodeEntry(entry))
      if (encoded.length * entryBytes(dimensions) < writtenAtOnce) continue
      yield Buffer.concat(encoded)
      encoded = []
    }
    const count = Buffer.alloc(8)
    count.writeBigUInt64LE(BigInt(entries))
    yield Buffer.concat([...encoded, endMark, count])
  }
  try {
    await writeWhole(file, pieces())
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `${file} cannot be written`)
  }
  return entries
}

async function writeWhole(file: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const unfinished = `${file}.new`
  try {
    {
      await using handle = await open(unfinished, 'w')
      await handle.writeFile(pieces)
      await handle.sync()
    }
    await rename(unfinished, file)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/**
 * Adds what `exportCache` wrote to an open cache: to its folder, or without one to its memory, as far as the bounds allow. The entries
 * keep their age. Damaged ones are left out and counted.
 *
 * Throws CACHE_FILE for a file of another embedder, of another version, cut off or something else; SOURCE_UNREADABLE when it cannot be
 * read; ILLEGAL_STATE when the cache is not open; STATE_IO and its like when the folder does not take it. Entries that came before the
 * fault are in the cache.
 *
 * @example
 * const { entries, damaged } = await importCache(embedder, 'vectors.cache')
 */
export async function importCache(cache: CachedEmbedder, file: string): Promise<CacheImport> {
  const { decodeEntry, entryBytes } = await import('./entry.ts')
  const imported = { entries: 0, damaged: 0 }
  let batch: CacheEntry[] = []
  const flush = async () => {
    imported.entries += await cache.import(batch)
    batch = []
  }
  for await (const encoded of entriesOf(cache, file, entryBytes(cache.dimensions))) {
    const entry = decodeEntry(encoded, cache.dimensions)
    if (entry) batch.push(entry)
    else imported.damaged++
    if (batch.length === importedAtOnce) await flush()
  }
  await flush()
  return imported
}

/** The encoded entries, of `size` bytes each, of a file that is meant for the cache. */
async function* entriesOf(cache: CachedEmbedder, file: string, size: number): AsyncGenerator<Uint8Array> {
  try {
    await using handle = await open(file)
    const head = await handle.read(Buffer.alloc(maxHeaderBytes), 0, maxHeaderBytes, 0)
    const end = Math.max(0, head.buffer.subarray(0, head.bytesRead).indexOf('\n'))
    checkHeader(file, head.buffer.toString('utf8', 0, end), cache)
    const body = handle.createReadStream({ start: end + 1, autoClose: false })
    yield* framesOf(file, body, size)
  } catch (error) {
    throw toStreamError(error, 'SOURCE_UNREADABLE', `${file} cannot be read`)
  }
}

async function* framesOf(file: string, body: AsyncIterable<Buffer>, size: number): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0)
  let count = 0
  for await (const piece of body) {
    rest = Buffer.concat([rest, piece])
    for (; rest.length >= size; rest = rest.subarray(size)) {
      yield rest.subarray(0, size)
      count++
    }
  }
  const isWhole = rest.length === endBytes && rest.indexOf(endMark) === 0
  if (!isWhole || rest.readBigUInt64LE(endMark.length) !== BigInt(count))
    throw unusable(file, `is cut off after ${count} entries`)
}

function checkHeader(file: string, line: string, { id, dimensions }: CachedEmbedder): void {
  const header = parsed(line)
  if (header?.format !== 'millrace-embedding-cache') throw unusable(file, 'is no file of cached vectors')
  if (header.version !== 1) throw unusable(file, `has version ${header.version}; this version of Millrace reads 1`)
  if (header.embedder === id && header.dimensions === dimensions) return
  const fix = 'Import it into a cache of the embedder that made it: vectors of two models must not meet.'
  throw unusable(file, `holds vectors of ${header.embedder}, and the cache those of ${id}`, fix)
}

function parsed(line: string): Partial<Header> | null | undefined {
  try {
    return JSON.parse(line) as Partial<Header> | null
  } catch {
    return undefined
  }
}

function unusable(file: string, what: string, fix?: string): StreamError {
  return new StreamError('CACHE_FILE', `${file} ${what}`, fix === undefined ? {} : { fix })
}
