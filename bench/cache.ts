import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CacheOptions, cached } from '../src/embed/cache/cached.ts'
import { onnx } from '../src/embed/onnx.ts'
import { retrievalSet } from '../test/support/embed-fixtures.ts'
import type { CachedMemory } from './cache-child.ts'
import { type ContestResult, compare, type Figure, rounded } from './measure.ts'

const child = fileURLToPath(new URL('./cache-child.ts', import.meta.url))
const texts = retrievalSet()
  .passages.slice(0, 32)
  .map(({ text }) => text)
const never = new AbortController().signal
/** So often the cached texts are asked for in a round: once takes a fraction of a millisecond. */
const repeats = 50

/** Texts that the cache has, against embedding them. */
async function compareCached(options: CacheOptions): Promise<ContestResult> {
  const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1 })
  const cache = cached(embedder, options)
  await embedder.open()
  await cache.open()
  await cache.embed(texts, never)
  const result = await compare({
    subject: async () => {
      for (let time = 0; time < repeats; time++) await cache.embed(texts, never)
    },
    baseline: async () => void (await embedder.embed(texts, never)),
    rounds: 5,
  })
  await cache.close()
  await embedder.close()
  return { ...result, speedup: result.speedup * repeats, subjectMs: result.subjectMs / repeats }
}

function hitFigure(figure: string, where: string, { speedup, subjectMs, baselineMs }: ContestResult): Figure {
  const perText = (milliseconds: number) => `${rounded((milliseconds * 1000) / texts.length)} us`
  return {
    figure,
    value: rounded(speedup),
    unit: 'x',
    detail: `a text ${where} (${perText(subjectMs)}) against embedding it with one worker (${perText(baselineMs)})`,
  }
}

export async function cacheMemoryHit(): Promise<Figure> {
  return hitFigure('cache.memory-hit', 'that is cached in memory', await compareCached({}))
}

/** Every look-up goes to LevelDB. */
export async function cacheDiskHit(): Promise<Figure> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return hitFigure('cache.disk-hit', 'that is cached on disk', await compareCached({ path, maxMemoryBytes: 0 }))
  } finally {
    await rm(path, { recursive: true })
  }
}

/** What 10,000 cached vectors of 384 dimensions cost. */
export async function cacheMemory(): Promise<Figure> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const memory = await memoryOf([])
    const disk = await memoryOf([path])
    const megabytes = (bytes: number) => rounded(bytes / 1e6)
    return {
      figure: 'cache.memory',
      value: megabytes(memory.processBytes),
      unit: 'MB',
      detail: `more memory of the process with 10,000 vectors of 384 dimensions (the cache counts ${megabytes(memory.countedBytes)} MB); ${megabytes(disk.processBytes)} MB with a folder`,
    }
  } finally {
    await rm(path, { recursive: true })
  }
}

async function memoryOf(folder: readonly string[]): Promise<CachedMemory> {
  const running = spawn(process.execPath, ['--expose-gc', '--max-semi-space-size=16', child, ...folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const data of running.stdout.setEncoding('utf8')) output += data
  return JSON.parse(output) as CachedMemory
}
