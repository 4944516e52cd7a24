import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { exportCache, importCache } from '../../../src/embed/cache/cache-file.ts'
import { type CacheOptions, cached } from '../../../src/embed/cache/cached.ts'
import type { CachedEmbedder } from '../../../src/embed/cache/cached-embedder.ts'
import { entryBytes } from '../../../src/embed/cache/entry.ts'
import type { Embedder } from '../../../src/embed/embedder.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { countingEmbedder } from './counting-embedder.ts'

const never = new AbortController().signal
const texts = Array.from({ length: 1_500 }, (_, at) => `text ${at}`)
const trailerBytes = 12

async function openCache(options: CacheOptions = {}, embedder: Embedder = countingEmbedder()): Promise<CachedEmbedder> {
  const cache = cached(embedder, options)
  await cache.open()
  return cache
}

/** A file with the vectors of all texts. */
async function exported(folder: string): Promise<string> {
  const file = join(folder, 'vectors.cache')
  const cache = await openCache()
  await cache.embed(texts, never)
  expect(await exportCache(cache, file)).toBe(texts.length)
  return file
}

describe('a file of cached vectors', () => {
  test.each([
    ['memory', 'memory'],
    ['memory', 'disk'],
    ['disk', 'memory'],
    ['disk', 'disk'],
  ] as const)('brings what is in %s of one cache into %s of another', async (source, target) => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'vectors.cache')
    const at = (name: string, tier: string) => (tier === 'disk' ? { path: join(folder.path, name) } : {})
    const one = await openCache(at('one', source))
    const vectors = await one.embed(texts, never)
    await exportCache(one, file)
    const other = await openCache(at('other', target))

    expect(await importCache(other, file)).toEqual({ entries: 1_500, damaged: 0 })

    const places: number[] = []
    const found = await other.embed(texts, never, { onTruncated: (place) => places.push(place) })
    expect(found).toEqual(vectors)
    expect(other.cacheStats.misses).toBe(0)
    expect(places).toEqual(texts.flatMap((text, place) => (text.length > 8 ? [place] : [])))
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.new'))).toEqual([])
    await one.close()
    await other.close()
  })

  test.each(['memory', 'disk'])(
    'takes no room again in a cache that has it in %s, nor makes it older',
    async (tier) => {
      await using folder = await temporaryDirectory()
      const file = await exported(folder.path)
      const later = new ManualClock(Date.now() + 10_000)
      const cache = await openCache({ clock: later, ...(tier === 'disk' && { path: join(folder.path, 'cache') }) })
      await cache.embed(texts.slice(0, 500), never)
      const held = () => (tier === 'disk' ? cache.cacheStats.diskEntries : cache.cacheStats.memoryEntries)
      await expect.poll(held, { timeout: 15_000 }).toBe(500)

      const imports = [await importCache(cache, file), await importCache(cache, file)]

      expect(imports.map(({ entries }) => entries)).toEqual([1_000, 0])
      expect(held()).toBe(1_500)
      await cache.close()
    },
  )

  test('keeps the age of its entries', async () => {
    await using folder = await temporaryDirectory()
    const file = await exported(folder.path)
    const clock = new ManualClock(Date.now() + 10_000)
    const cache = await openCache({ ttlMs: 10_000, clock })

    await importCache(cache, file)
    await cache.embed(texts, never)

    expect(cache.cacheStats.misses).toBe(texts.length)
  })

  test('loses one entry when a byte of it has changed', async () => {
    await using folder = await temporaryDirectory()
    const file = await exported(folder.path)
    const bytes = await readFile(file)
    bytes[bytes.length - 40] = 255 - (bytes[bytes.length - 40] ?? 0)
    await writeFile(file, bytes)

    expect(await importCache(await openCache(), file)).toEqual({ entries: 1_499, damaged: 1 })
  })

  test('is refused by the cache of another embedder', async () => {
    await using folder = await temporaryDirectory()
    const file = await exported(folder.path)
    const cache = await openCache({}, countingEmbedder({ id: 'another' }))

    await expect(importCache(cache, file)).rejects.toMatchObject({
      code: 'CACHE_FILE',
      fact: `${file} holds vectors of counting, and the cache those of another`,
    })
    expect(cache.cacheStats.memoryEntries).toBe(0)
  })

  test.each([1, trailerBytes, trailerBytes + entryBytes(4), trailerBytes + entryBytes(4) + 7])(
    'is refused when its last %i bytes are missing',
    async (missing) => {
      await using folder = await temporaryDirectory()
      const file = await exported(folder.path)
      await truncate(file, (await readFile(file)).length - missing)

      await expect(importCache(await openCache(), file)).rejects.toMatchObject({
        code: 'CACHE_FILE',
        fact: expect.stringMatching(/is cut off after \d+ entries$/),
      })
    },
  )

  test('is refused when an entry is missing in the middle', async () => {
    await using folder = await temporaryDirectory()
    const file = await exported(folder.path)
    const bytes = await readFile(file)
    const middle = bytes.length - trailerBytes - 100 * entryBytes(4)
    await writeFile(file, Buffer.concat([bytes.subarray(0, middle), bytes.subarray(middle + entryBytes(4))]))

    await expect(importCache(await openCache(), file)).rejects.toMatchObject({ code: 'CACHE_FILE' })
  })

  test.each([
    ['', 'is no file of cached vectors'],
    ['null\n', 'is no file of cached vectors'],
    ['# A text\n\nThat is no cache.\n', 'is no file of cached vectors'],
    ['x'.repeat(100_000), 'is no file of cached vectors'],
    ['{"format":"millrace-embedding-cache","version":2}\n', 'has version 2; this version of Millrace reads 1'],
  ])('is refused when it is something else: %j', async (content, fact) => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'other')
    await writeFile(file, content)

    await expect(importCache(await openCache(), file)).rejects.toMatchObject({
      code: 'CACHE_FILE',
      fact: `${file} ${fact}`,
    })
  })

  test('that cannot be read or written is named', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'missing', 'vectors.cache')
    const cache = await openCache()

    await expect(importCache(cache, file)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
    await expect(exportCache(cache, file)).rejects.toMatchObject({ code: 'STATE_IO' })
  })

  test('is neither written nor read by a cache that is closed', async () => {
    await using folder = await temporaryDirectory()
    const file = await exported(folder.path)
    const other = join(folder.path, 'other.cache')
    const cache = await openCache()
    await cache.close()

    for (const work of [exportCache(cache, other), importCache(cache, file)])
      await expect(work).rejects.toThrow('ILLEGAL_STATE: the embedding cache is not open. Open it before use.')
    expect(await readdir(folder.path)).toEqual(['vectors.cache'])
  })

  test('that cannot be finished leaves nothing behind', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'vectors.cache')
    await mkdir(join(file, 'full'), { recursive: true })

    await expect(exportCache(await openCache(), file)).rejects.toMatchObject({ code: 'STATE_IO' })

    expect(await readdir(folder.path)).toEqual(['vectors.cache'])
  })
})
