// Caches 10,000 vectors of 384 dimensions, in the folder of the first argument too if there is one, and prints what that costs in bytes.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CacheOptions, cached } from '../src/embed/cache/cached.ts'
import type { Embedder } from '../src/embed/embedder.ts'
import { hash } from '../src/embed/hash.ts'

export interface CachedMemory {
  /** Growth of the resident memory, garbage collected. */
  readonly processBytes: number
  /** What the cache believes. */
  readonly countedBytes: number
}

const vectors = 10_000
/** As in the calls of a pipeline: a document of sixteen chunks. */
const textsPerCall = 16
const callsPerCollection = 16
const never = new AbortController().signal

/** As much work as an embedder makes, and no more garbage than it: one array a text. */
const instant: Embedder = {
  ...hash(),
  embed: async (texts) => texts.map((text) => new Float32Array(384).fill(1 / (text.length + 1))),
}

async function collectGarbage(): Promise<void> {
  for (let time = 0; time < 3; time++) {
    global.gc?.()
    await sleep(10)
  }
}

async function fill(embedder: Embedder, count: number): Promise<void> {
  for (let at = 0; at < count; at += textsPerCall) {
    const texts = Array.from({ length: textsPerCall }, (_, place) => `text ${at + place}`)
    await embedder.embed(texts, never)
    if (at % (textsPerCall * callsPerCollection) === 0) await collectGarbage()
  }
}

const [path] = process.argv.slice(2)
const options: CacheOptions = path === undefined ? {} : { path }
const warmUp = cached(instant)
await warmUp.open()
await fill(warmUp, 256)
await warmUp.close()

await collectGarbage()
const before = process.memoryUsage().rss
const cache = cached(instant, options)
await cache.open()
await fill(cache, vectors)
await collectGarbage()
const processBytes = process.memoryUsage().rss - before
const { memoryEntries, memoryBytes } = cache.cacheStats
if (memoryEntries !== vectors) throw new RangeError(`${memoryEntries} vectors are cached, not ${vectors}`)
process.stdout.write(JSON.stringify({ processBytes, countedBytes: memoryBytes } satisfies CachedMemory))
await cache.close()
