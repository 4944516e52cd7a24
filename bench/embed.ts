import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Tokenizer } from '@huggingface/tokenizers'
import { systemClock } from '../src/clock.ts'
import { loadWordPiece } from '../src/embed/wordpiece-model.ts'
import { WorkerThread } from '../src/embed/worker-thread.ts'
import { embedAll, modelFolder, openEmbedder, passages } from './embedding-work.ts'
import { compare, type Figure, rounded } from './measure.ts'
import type { RawRuns } from './raw-worker.ts'

const workers = Math.min(2, availableParallelism())

type RawThread = WorkerThread<string, undefined, RawRuns, undefined>

async function openRaw(): Promise<readonly RawThread[]> {
  const entry = new URL('./raw-worker.ts', import.meta.url)
  const setup = `${modelFolder}model_w8.onnx`
  const threads = Array.from({ length: workers }, (_, at): RawThread => {
    const name = `raw worker ${at + 1}`
    return new WorkerThread({ name, entry, setup: () => setup, clock: systemClock, requestTimeoutMs: 600_000 })
  })
  await Promise.all(threads.map((thread) => thread.open()))
  return threads
}

interface Shape {
  readonly rows: number
  readonly width: number
}

/** So many tokens through the runtime, shared by all workers. */
async function runRaw(threads: readonly RawThread[], shape: Shape, tokens: number): Promise<void> {
  const runs = Math.ceil(tokens / (shape.rows * shape.width * threads.length))
  await Promise.all(threads.map((thread) => thread.run(() => ({ message: { ...shape, runs }, transfer: [] }))))
}

/** The number of rows of that width at which the runtime is fastest. */
async function bestShape(threads: readonly RawThread[], width: number): Promise<Shape> {
  const times: { shape: Shape; ms: number }[] = []
  for (let round = 0; round < 3; round++)
    for (const rows of [1, 2, 4, 8]) {
      const start = performance.now()
      await runRaw(threads, { rows, width }, 32 * width)
      times.push({ shape: { rows, width }, ms: performance.now() - start })
    }
  const [best] = times.toSorted((a, b) => a.ms - b.ms)
  return best?.shape ?? { rows: 4, width }
}

/** Text in, vector out, against the runtime alone on as many workers and tokens, with rows that are all as long as the mean text. */
export async function embedPipeline(): Promise<Figure> {
  const embedder = await openEmbedder({ workers })
  const raw = await openRaw()
  const texts = passages.slice(0, 256)
  await embedAll(embedder, texts)
  const { tokens } = embedder.stats
  const shape = await bestShape(raw, Math.round(tokens / texts.length))
  const { speedup, subjectMs } = await compare({
    subject: () => embedAll(embedder, texts),
    baseline: () => runRaw(raw, shape, tokens),
  })
  await Promise.all([embedder.close(), ...raw.map((thread) => thread.close())])
  return {
    figure: 'embed.pipeline',
    value: rounded(speedup),
    unit: 'x',
    detail: `text to vector against the runtime alone at its best shape (${shape.rows} x ${shape.width}), ${workers} workers, ${rounded(tokens / subjectMs)} tokens/ms`,
  }
}

/** Own WordPiece against the general library, processor time. */
export async function embedTokenizer(): Promise<Figure> {
  const read = async (file: string) => JSON.parse(await readFile(`${modelFolder}${file}`, 'utf8'))
  const library = new Tokenizer(await read('tokenizer.json'), await read('tokenizer_config.json'))
  const own = await loadWordPiece(modelFolder)
  const { speedup, subjectMs } = await compare({
    subject: () => {
      for (const text of passages) own?.encode(text, Number.POSITIVE_INFINITY)
    },
    baseline: () => {
      for (const text of passages) library.encode(text)
    },
    clock: 'cpu',
  })
  return {
    figure: 'embed.tokenizer',
    value: rounded(speedup),
    unit: 'x',
    detail: `own WordPiece against @huggingface/tokenizers on ${passages.length} passages, ${rounded(subjectMs)} ms of CPU`,
  }
}

/** How late the event loop of the main thread is while all workers are busy. */
export async function embedEventLoopDelay(): Promise<Figure> {
  const embedder = await openEmbedder({ workers })
  await embedAll(embedder, passages.slice(0, 64))
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await embedAll(embedder, passages)
  delay.disable()
  await embedder.close()
  const [p50, p99] = [50, 99].map((percentile) => delay.percentile(percentile) / 1e6)
  return {
    figure: 'embed.event-loop-delay-p99',
    value: rounded(p99 ?? Number.NaN),
    unit: 'ms',
    detail: `${passages.length} passages at full rate on ${workers} workers; median ${rounded(p50 ?? Number.NaN)} ms, 1 ms is the resolution`,
  }
}

/** Part of the computed tokens that is padding, with the default window. */
export async function embedPadding(): Promise<Figure> {
  const embedder = await openEmbedder({ workers })
  await embedAll(embedder, passages)
  const { paddingRatio, tokens, batches } = embedder.stats
  await embedder.close()
  return {
    figure: 'embed.padding',
    value: rounded(paddingRatio),
    unit: 'of tokens',
    detail: `${passages.length} passages through a window of 256 texts, ${rounded(tokens / batches)} tokens a batch`,
  }
}
