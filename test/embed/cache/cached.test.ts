import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { type CacheOptions, cached } from '../../../src/embed/cache/cached.ts'
import type { CachedEmbedder } from '../../../src/embed/cache/cached-embedder.ts'
import { memoryBytes } from '../../../src/embed/cache/memory-tier.ts'
import { embed } from '../../../src/embed/embed.ts'
import type { Embedder } from '../../../src/embed/embedder.ts'
import { EmbeddingEngine } from '../../../src/embed/engine.ts'
import { encodeCharacters, FakeDevice, settle } from '../../support/fake-device.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { countingEmbedder } from './counting-embedder.ts'

const never = new AbortController().signal

async function openCache(options: CacheOptions = {}, embedder: Embedder = countingEmbedder()): Promise<CachedEmbedder> {
  const cache = cached(embedder, options)
  await cache.open()
  return cache
}

describe('a cached embedder', () => {
  test('embeds a text once, and gives every asker the same array', async () => {
    const embedder = countingEmbedder()
    const cache = await openCache({}, embedder)

    const [first, other] = await cache.embed(['a mill', 'a race'], never)
    const again = await cache.embed(['a race', 'a weir', 'a mill'], never)

    expect(embedder.calls).toEqual([['a mill', 'a race'], ['a weir']])
    expect(again[0]).toBe(other)
    expect(again[2]).toBe(first)
    expect(again).toEqual(await countingEmbedder().embed(['a race', 'a weir', 'a mill'], never))
    expect(cache.cacheStats).toMatchObject({ memoryHits: 2, diskHits: 0, misses: 3, memoryEntries: 3 })
  })

  test('keeps what is a question and what is stored apart', async () => {
    const cache = await openCache()

    const [passage] = await cache.embed(['a mill'], never)
    const [query] = await cache.embed(['a mill'], never, { inputType: 'query' })
    const [again] = await cache.embed(['a mill'], never, { inputType: 'query' })

    expect(query).not.toEqual(passage)
    expect(again).toBe(query)
    expect(cache.cacheStats).toMatchObject({ memoryHits: 1, misses: 2 })
  })

  test('names a text that cannot be embedded by its place among all that were asked for', async () => {
    const device = new FakeDevice({ automatic: true, refuses: (text) => text.includes('!') })
    const engine = new EmbeddingEngine({
      ...{ devices: [device], encode: encodeCharacters, dimensions: 2, clock: new ManualClock() },
    })
    const refusing = Object.assign(countingEmbedder(), { embed: engine.embed.bind(engine) })
    const cache = await openCache({}, refusing)
    await cache.embed(['mill', 'grain'], never)

    const refusals = await Promise.all(
      [['mill', 'grain', 'bad!'], ['mill', 'grain', 'race', 'bad!'], ['bad!']].map((texts) =>
        cache.embed(texts, never).catch(({ fact, details }) => [fact, details.text]),
      ),
    )

    expect(refusals).toEqual([
      ['a text of 4 tokens cannot be embedded: refused (texts[2])', 2],
      ['a text of 4 tokens cannot be embedded: refused (texts[3])', 3],
      ['a text of 4 tokens cannot be embedded: refused', 0],
    ])
  })

  test('refuses a type of input that there is not, before anything is asked', async () => {
    const embedder = countingEmbedder()
    const cache = await openCache({}, embedder)

    const options = JSON.parse('{ "inputType": "document" }')
    await expect(cache.embed(['a mill'], never, options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(embedder.calls).toEqual([])
  })

  test('keeps texts apart that differ in an unpaired surrogate', async () => {
    const embedder = countingEmbedder()
    const cache = await openCache({}, embedder)

    await cache.embed(['\uD800', '\uD801', '\uFFFD'], never)
    await cache.embed(['\uD800', '\uD801', '\uFFFD'], never)

    expect(embedder.calls).toHaveLength(1)
    expect(cache.cacheStats.memoryEntries).toBe(3)
  })

  test('says again which texts were truncated, at their place', async () => {
    const cache = await openCache()
    await cache.embed(['longer than eight'], never)
    const places: number[] = []

    await cache.embed(['short', 'longer than eight', 'also longer than eight'], never, {
      onTruncated: (at) => places.push(at),
    })

    expect(places.toSorted()).toEqual([1, 2])
  })

  test('passes on what the embedder says of itself', async () => {
    const embedder = countingEmbedder()
    const cache = await openCache({}, embedder)
    await cache.embed(['a', 'b'], never)
    await cache.embed(['a'], never)

    expect(cache).toMatchObject({ id: 'counting', dimensions: 4, maxTokens: 8, textsAtOnce: 12 })
    expect(cache.countTokens?.('two words')).toBe(2)
    expect(cache.stats).toEqual({ ...embedder.stats, texts: 3 })
    expect(embed('vectors', cache).facts?.()).toEqual({ fingerprint: 'counting', dimensions: 4 })
  })

  test('is open until the last of its users has closed it', async () => {
    const embedder = countingEmbedder()
    const cache = cached(embedder)
    await expect(cache.embed(['a'], never)).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    await Promise.all([cache.open(), cache.open()])
    expect(embedder.users).toBe(1)

    await cache.close()
    await cache.embed(['a'], never)
    await cache.close()
    await cache.close()

    expect(embedder.users).toBe(0)
    await expect(cache.embed(['a'], never)).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
  })

  test('does not open when the embedder does not, and may be tried again', async () => {
    let attempts = 0
    const open = async () => {
      if (attempts++ === 0) throw new RangeError('no model')
    }
    const cache = cached(countingEmbedder({ open }))

    await expect(cache.open()).rejects.toThrow('no model')
    await cache.open()

    expect(await cache.embed(['a'], never)).toHaveLength(1)
  })

  test('forgets a vector that is as old as the time to live', async () => {
    const clock = new ManualClock()
    const embedder = countingEmbedder()
    const cache = await openCache({ ttlMs: 100, clock }, embedder)
    await cache.embed(['a'], never)

    clock.advance(99)
    await cache.embed(['a'], never)
    expect(embedder.calls).toHaveLength(1)
    clock.advance(1)
    await cache.embed(['a'], never)
    expect(embedder.calls).toHaveLength(2)
    clock.set(-1_000_000)
    await cache.embed(['a'], never)
    expect(embedder.calls).toHaveLength(3)
  })

  test('has equal texts that are missing at the same moment embedded once', async () => {
    const device = new FakeDevice()
    const engine = new EmbeddingEngine({
      devices: [device],
      encode: encodeCharacters,
      dimensions: 2,
      clock: new ManualClock(),
    })
    const cache = await openCache(
      {},
      countingEmbedder({ dimensions: 2, embed: (texts, signal, options) => engine.embed(texts, signal, options) }),
    )

    const answers = [cache.embed(['a', 'a'], never), cache.embed(['a'], never)]
    await settle()
    device.finishNext()
    const [[first, second] = [], [third] = []] = await Promise.all(answers)

    expect(device.batches).toEqual([['a']])
    expect([second, third]).toEqual([first, first])
    expect(cache.cacheStats).toMatchObject({ misses: 3, memoryEntries: 1 })
  })

  test('neither hides an error of the embedder nor remembers it', async () => {
    let isBroken = true
    const original = countingEmbedder()
    const cache = await openCache(
      {},
      countingEmbedder({
        embed: (texts, signal) => (isBroken ? Promise.reject(new RangeError('broken')) : original.embed(texts, signal)),
      }),
    )

    await expect(cache.embed(['a'], never)).rejects.toThrow('broken')
    isBroken = false

    expect(await cache.embed(['a'], never)).toEqual(await original.embed(['a'], never))
  })

  test('refuses an answer with too few vectors', async () => {
    const cache = await openCache({}, countingEmbedder({ embed: async () => [] }))

    await expect(cache.embed(['a'], never)).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'asked for 1 vectors and got 0',
    })
  })

  test('does not keep a vector that is none', async () => {
    const vectors = [Float32Array.of(1, Number.NaN, 0, 0), Float32Array.of(1, 0)]
    const cache = await openCache({}, countingEmbedder({ embed: async () => vectors }))

    await cache.embed(['a', 'b'], never)

    expect(cache.cacheStats.memoryEntries).toBe(0)
  })

  test('does not hold the batch that a vector was cut from', async () => {
    const batch = Float32Array.from({ length: 400 }, (_, at) => at)
    const cache = await openCache({}, countingEmbedder({ embed: async () => [batch.subarray(4, 8)] }))

    await cache.embed(['a'], never)
    const [vector] = await cache.embed(['a'], never)

    expect(vector).toEqual(Float32Array.of(4, 5, 6, 7))
    expect(vector?.buffer.byteLength).toBe(16)
  })

  test('stops when the signal aborts, also between look-ups', async () => {
    const embedder = countingEmbedder()
    const cache = await openCache({}, embedder)
    const controller = new AbortController()
    const texts = Array.from({ length: 1_000 }, (_, at) => `text ${at}`)

    const asking = cache.embed(texts, controller.signal)
    controller.abort(new RangeError('enough'))

    await expect(asking).rejects.toThrow('enough')
    await expect(cache.embed(['a'], controller.signal)).rejects.toThrow('enough')
    expect(embedder.calls).toEqual([])
  })

  test.each([
    { maxMemoryBytes: -1 },
    { maxDiskBytes: 1.5 },
    { warmUp: -1 },
    { ttlMs: 0 },
    { ttlMs: Number.NaN },
    { path: '' },
    { maxMemoryBytes: '1' },
    { warmUp: 'some' },
    { ttlMs: '5' },
    { path: 5 },
    { clock: {} },
    { logger: { warn: () => undefined } },
  ])('refuses %o', (options) => {
    expect(() => cached(countingEmbedder(), options as CacheOptions)).toThrow(/^CONFIG_INVALID: \w+ of a cache/)
  })

  test.each<[string, unknown, string]>([
    ['misspelled', { maxMemory: 1 }, 'cached has no option "maxMemory". Known are maxMemoryBytes, path, '],
    ['no object', null, 'cached takes an object with options, not null.'],
  ])('refuses options that are %s', (_, options, sentence) => {
    expect(() => cached(countingEmbedder(), options as CacheOptions)).toThrow(`CONFIG_INVALID: ${sentence}`)
  })

  test.each([
    [undefined, 'undefined'],
    [{ model: 'all-MiniLM-L6-v2' }, 'an object'],
  ])('refuses %j, which is no embedder', (embedder, name) => {
    expect(() => cached(embedder as unknown as Embedder)).toThrow(
      `CONFIG_INVALID: cached takes an embedder, not ${name}. Give it one: cached(`,
    )
  })
})

describe('whatever is asked', () => {
  const calls = fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { maxLength: 5 }))
  const bound = fc.nat(6).map((entries) => entries * memoryBytes(4))

  async function check(options: CacheOptions, asked: readonly (readonly string[])[]): Promise<void> {
    const embedder = countingEmbedder()
    const cache = await openCache(options, embedder)
    for (const texts of asked) {
      expect(await cache.embed(texts, never)).toEqual(await countingEmbedder().embed(texts, never))
      expect(cache.cacheStats.memoryBytes).toBeLessThanOrEqual(options.maxMemoryBytes ?? 0)
    }
    const { memoryHits, diskHits, misses } = cache.cacheStats
    expect(memoryHits + diskHits + misses).toBe(asked.flat().length)
    expect(misses).toBe(embedder.calls.flat().length)
    await cache.close()
  }

  test('the answers are those of the embedder, the bound holds and the counts add up', async () => {
    await fc.assert(fc.asyncProperty(calls, bound, (asked, maxMemoryBytes) => check({ maxMemoryBytes }, asked)))
  })

  test('the same is true with a folder', async () => {
    await using folder = await temporaryDirectory()
    const maxDiskBytes = 600
    await fc.assert(
      fc.asyncProperty(calls, bound, (asked, maxMemoryBytes) =>
        check({ maxMemoryBytes, maxDiskBytes, path: folder.path }, asked),
      ),
      { numRuns: 25 },
    )
  })
})
