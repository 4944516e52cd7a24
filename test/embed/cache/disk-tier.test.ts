import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { ManualClock, systemClock } from '../../../src/clock.ts'
import { type CacheOptions, cached } from '../../../src/embed/cache/cached.ts'
import { CachedEmbedder } from '../../../src/embed/cache/cached-embedder.ts'
import { EntryLog } from '../../../src/embed/cache/entry-log.ts'
import { memoryBytes } from '../../../src/embed/cache/memory-tier.ts'
import type { Embedder } from '../../../src/embed/embedder.ts'
import { StreamError } from '../../../src/errors.ts'
import { type Logger, silentLogger } from '../../../src/logger.ts'
import { openLevelStore } from '../../../src/state/level-store.ts'
import { memoryStore } from '../../../src/state/memory-store.ts'
import type { ByteStore } from '../../../src/state/store.ts'
import { settle } from '../../support/fake-device.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { countingEmbedder } from './counting-embedder.ts'

const never = new AbortController().signal

class Warnings implements Logger {
  readonly sentences: string[] = []
  debug = silentLogger.debug
  info = silentLogger.info
  error = silentLogger.error
  child = () => this

  warn(_facts: object, sentence: string): void {
    this.sentences.push(sentence)
  }
}

/** One life of a process: opens the cache, asks, and closes it. */
async function session(options: CacheOptions, texts: readonly string[], embedder: Embedder = countingEmbedder()) {
  const cache = cached(embedder, options)
  await cache.open()
  const opened = cache.cacheStats
  const vectors = await cache.embed(texts, never)
  const stats = cache.cacheStats
  await cache.close()
  return { opened, vectors, stats }
}

/** A cache on a store that fails as the test wants. */
async function openWithStore(store: ByteStore, logger: Logger, path = 'nowhere'): Promise<CachedEmbedder> {
  const cache = new CachedEmbedder(countingEmbedder(), {
    maxMemoryBytes: 0,
    maxDiskBytes: 1_000_000,
    ttlMs: Number.POSITIVE_INFINITY,
    warmUp: 0,
    path,
    clock: systemClock,
    logger,
    openStore: async () => store,
  })
  await cache.open()
  return cache
}

describe('a cache with a folder', () => {
  test('finds its vectors after a restart', async () => {
    await using folder = await temporaryDirectory()
    const first = await session({ path: folder.path }, ['a mill', 'longer than eight'])

    const second = await session({ path: folder.path }, ['longer than eight', 'a race', 'a mill'])

    expect([second.vectors[2], second.vectors[0]]).toEqual(first.vectors)
    expect(second.stats).toMatchObject({ memoryHits: 0, diskHits: 2, misses: 1, diskEntries: 2, diskFailures: 0 })
  })

  test('looks on disk once for a text, and in memory from then on', async () => {
    await using folder = await temporaryDirectory()
    await session({ path: folder.path }, ['a'])

    const { stats } = await session({ path: folder.path }, ['a', 'a', 'a'])

    expect(stats).toMatchObject({ diskHits: 1, memoryHits: 2 })
  })

  test('has everything on disk when it is closed', async () => {
    await using folder = await temporaryDirectory()
    const cache = cached(countingEmbedder(), { path: folder.path })
    await cache.open()
    for (const text of ['a', 'b', 'c']) await cache.embed([text], never)
    await cache.close()

    expect((await session({ path: folder.path }, [])).opened.diskEntries).toBe(3)
  })

  test('opened again by the same process, waits until the folder is free', async () => {
    await using folder = await temporaryDirectory()
    const cache = cached(countingEmbedder(), { path: folder.path })
    await cache.open()
    await cache.embed(['a'], never)

    const closing = cache.close()
    await cache.open()
    await closing
    const { texts } = cache.stats
    await cache.embed(['a'], never)

    expect(cache.cacheStats).toMatchObject({ diskHits: 1, misses: 0, diskFailures: 0 })
    expect(cache.stats.texts - texts).toBe(1)
    await cache.close()
  })

  test('keeps embedders apart that share a path', async () => {
    await using folder = await temporaryDirectory()
    const other = countingEmbedder({ id: 'other', dimensions: 2, embed: async () => [Float32Array.of(1, 0)] })
    await session({ path: folder.path }, ['a'])

    const { stats } = await session({ path: folder.path }, ['a'], other)

    expect(stats).toMatchObject({ diskHits: 0, misses: 1, diskFailures: 0 })
    expect(await readdir(folder.path)).toHaveLength(2)
  })

  test('reads the newest vectors into memory when it is asked to', async () => {
    await using folder = await temporaryDirectory()
    const { path } = folder
    await session({ path }, ['a', 'b', 'c', 'd'])
    const room = { path, maxMemoryBytes: 2 * memoryBytes(4) }

    const all = await session({ ...room, warmUp: 'all' }, ['c', 'd', 'b'])
    const one = await session({ ...room, warmUp: 1 }, ['d'])

    expect(all.opened.memoryEntries).toBe(2)
    expect(all.stats).toMatchObject({ memoryHits: 2, diskHits: 1, misses: 0 })
    expect(one.opened.memoryEntries).toBe(1)
    expect(one.stats).toMatchObject({ memoryHits: 1, diskHits: 0 })
  })

  test('lets the oldest go at its bound', async () => {
    await using folder = await temporaryDirectory()
    const { path } = folder
    const { stats } = await session({ path }, ['a'])
    expect(stats.diskBytes).toBe(0)
    const one = (await session({ path }, ['a'])).opened.diskBytes

    const { opened } = await session({ path, maxDiskBytes: 2 * one }, ['b', 'c'])
    const after = await session({ path, maxDiskBytes: 2 * one }, ['a', 'b', 'c'])

    expect(opened.diskEntries).toBe(1)
    expect(after.opened).toMatchObject({ diskEntries: 2, diskBytes: 2 * one })
    expect(after.stats).toMatchObject({ diskHits: 2, misses: 1 })
  })

  test('forgets after the time to live there too', async () => {
    await using folder = await temporaryDirectory()
    const clock = new ManualClock()
    const options = { path: folder.path, ttlMs: 100, clock }
    await session(options, ['a'])

    clock.advance(60)
    expect((await session(options, ['a'])).stats.diskHits).toBe(1)
    clock.advance(60)
    expect((await session(options, ['a'])).stats.diskHits).toBe(0)
    expect((await session(options, ['a'])).stats.diskHits).toBe(1)
  })
})

describe('a disk that fails', () => {
  test('by being held by another process costs hits, is counted and told once', async () => {
    await using folder = await temporaryDirectory()
    const logger = new Warnings()
    const holder = cached(countingEmbedder(), { path: folder.path })
    await holder.open()

    const { vectors, stats } = await session({ path: folder.path, logger }, ['a', 'b', 'a'])

    expect(vectors).toEqual(await countingEmbedder().embed(['a', 'b', 'a'], never))
    expect(stats).toMatchObject({ misses: 3, diskFailures: 1, unwrittenEntries: 2 })
    expect(logger.sentences).toEqual([expect.stringContaining('cannot use its disk')])
    await holder.close()
  })

  test('in every read and write costs hits, is counted and told once', async () => {
    const logger = new Warnings()
    const store = memoryStore()
    const cache = await openWithStore(store, logger)
    const refuse = () => {
      throw new StreamError('STATE_IO', 'the disk is gone')
    }
    Object.assign(store, { get: refuse, write: async () => refuse() })

    const vectors = await cache.embed(['a', 'b'], never)
    await cache.embed(['a'], never)
    await settle()

    expect(vectors).toEqual(await countingEmbedder().embed(['a', 'b'], never))
    expect(cache.cacheStats).toMatchObject({ diskHits: 0, misses: 3, unwrittenEntries: 3, diskFailures: 5 })
    expect(logger.sentences).toHaveLength(1)
    await cache.close()
  })

  test('by being slow holds a bounded number of vectors, and no call', async () => {
    const store = memoryStore()
    const cache = await openWithStore(store, silentLogger)
    const write = store.write
    const gate = Promise.withResolvers<void>()
    Object.assign(store, {
      write: (...args: Parameters<ByteStore['write']>) => gate.promise.then(() => write(...args)),
    })
    const textsOf = (call: number) => Array.from({ length: 600 }, (_, at) => `text ${at} of ${call}`)

    for (const call of [1, 2, 3, 4, 5]) await cache.embed(textsOf(call), never)

    // The first is being written, two wait.
    expect(cache.cacheStats.unwrittenEntries).toBe(2 * 600)
    gate.resolve()
    await cache.close()
  })

  test('by giving back something else costs the vectors that it damaged', async () => {
    const store = memoryStore()
    const cache = await openWithStore(store, silentLogger)
    await cache.embed(['a', 'b'], never)
    await cache.embed(['b'], never)
    for await (const [key, value] of store.range({ gte: Buffer.from('e'), lt: Buffer.from('f'), limit: 1 }))
      await store.write([{ key, value: value.subarray(1) }])

    const vectors = await cache.embed(['a', 'b'], never)
    await cache.embed(['a'], never)

    expect(vectors).toEqual(await countingEmbedder().embed(['a', 'b'], never))
    expect(cache.cacheStats).toMatchObject({ misses: 3, diskHits: 3, damagedEntries: 1, diskFailures: 0 })
  })

  test('as a whole is emptied and used again', async () => {
    await using folder = await temporaryDirectory()
    const { path } = folder
    const logger = new Warnings()
    await session({ path }, ['a'])
    const [own = ''] = await readdir(path)
    await writeFile(join(path, own, 'CURRENT'), 'nonsense')

    const first = await session({ path, logger }, ['a'])
    const second = await session({ path, logger }, ['a'])

    expect(first.stats).toMatchObject({ misses: 1, diskFailures: 1, damagedEntries: 0 })
    expect(second.stats).toMatchObject({ diskHits: 1, diskFailures: 0 })
    expect(logger.sentences).toEqual([expect.stringContaining('starts again empty')])
  })

  test('after it was emptied is told as well', async () => {
    await using folder = await temporaryDirectory()
    const logger = new Warnings()
    vi.spyOn(EntryLog, 'open').mockRejectedValueOnce(new StreamError('STATE_CORRUPT', 'the folder is wrecked'))
    vi.spyOn(EntryLog.prototype, 'append').mockRejectedValueOnce(new StreamError('STATE_IO', 'the disk is gone'))
    const cache = cached(countingEmbedder(), { path: folder.path, logger })
    await cache.open()

    await cache.embed(['a'], never)
    await cache.close()

    expect(cache.cacheStats).toMatchObject({ diskFailures: 2, unwrittenEntries: 1 })
    expect(logger.sentences).toEqual([
      expect.stringContaining('starts again empty'),
      expect.stringContaining('cannot use its disk'),
    ])
  })

  test('in a part of its files is emptied when it is closed', async () => {
    await using folder = await temporaryDirectory()
    const { path } = folder
    await session({ path }, ['a'])
    const cache = await openWithStore(memoryStore(), silentLogger, path)
    const corrupt = new StreamError('STATE_CORRUPT', 'a block cannot be read')
    vi.spyOn(EntryLog.prototype, 'get').mockImplementationOnce(() => {
      throw corrupt
    })

    await cache.embed(['a'], never)
    expect(await readdir(path)).toHaveLength(1)
    await cache.close()

    expect(await readdir(path)).toEqual([])
  })

  test('that is closed while a text is embedded loses that vector, and says nothing', async () => {
    const logger = new Warnings()
    const gate = Promise.withResolvers<Float32Array[]>()
    const embedder = countingEmbedder({ embed: () => gate.promise })
    await using folder = await temporaryDirectory()
    const cache = cached(embedder, { path: folder.path, logger })
    await cache.open()

    const asking = cache.embed(['a'], never)
    await settle()
    await cache.close()
    gate.resolve([Float32Array.of(1, 2, 3, 4)])

    expect(await asking).toEqual([Float32Array.of(1, 2, 3, 4)])
    await settle()
    expect(logger.sentences).toEqual([])
  })

  test('by holding what another version wrote leaves it alone', async () => {
    await using folder = await temporaryDirectory()
    const { path } = folder
    await session({ path }, ['a'])
    const [own = ''] = await readdir(path)
    await using store = await openLevelStore(join(path, own))
    await store.write([{ key: Buffer.from('f'), value: Buffer.from('{"format":2}') }])
    await store.close()

    const { stats } = await session({ path }, ['a'])

    expect(stats).toMatchObject({ misses: 1, diskFailures: 1 })
    await using after = await openLevelStore(join(path, own))
    expect(Buffer.from(after.get(Buffer.from('f')) ?? []).toString()).toBe('{"format":2}')
  })
})
