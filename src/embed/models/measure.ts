import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Embedder } from '../embedder.ts'
import type { OnnxOptions } from '../onnx-options.ts'
import { sampleTexts } from './sample-texts.ts'
import { whileOpen } from './while-open.ts'

/** What was measured, and what it reached on this machine. */
export interface Measurement extends Tuning {
  readonly textsPerSecond: number
  readonly tokensPerSecond: number
  /** Of one text while nothing else is embedded. */
  readonly latencyMs: { readonly p50: number; readonly p95: number }
  /** Resident memory of the whole process, in MiB. */
  readonly memoryMb: number
}

/** The options that decide speed and memory. */
export interface Tuning extends Pick<OnnxOptions, 'workers' | 'mode' | 'precision'> {
  readonly maxBatchTokens?: number
}

export interface MeasureOptions {
  /** Makes an embedder that is not open. */
  readonly make: (tuning: Tuning) => Embedder
  /** Texts like those that will be embedded, different from one another. Default: 128 of 8 to 112 words. */
  readonly texts?: readonly string[] | undefined
  /** How long to measure throughput, and half of it latency. Milliseconds, default 400. */
  readonly durationMs?: number
  /** Resident bytes of the process. Default: what the system says. */
  readonly residentBytes?: () => number
  readonly clock: Clock
  readonly signal: AbortSignal
}

const textsPerCall = 16
const callsInFlight = 16
const maxSingles = 200
const defaultDurationMs = 400

/**
 * Opens an embedder and measures it: how much it gets done when it always has work, and how long one text takes. Takes about one and a
 * half times `durationMs`, and the start of the embedder. Rejects as the embedder does.
 */
export async function measure(tuning: Tuning, options: MeasureOptions): Promise<Measurement> {
  const {
    make,
    texts = sampleTexts(),
    durationMs = defaultDurationMs,
    residentBytes = process.memoryUsage.rss,
  } = options
  if (texts.length === 0) throw new StreamError('CONFIG_INVALID', 'there are no texts to measure with')
  return whileOpen(make(tuning), async (embedder) => {
    // The first texts pay for memory and for the compiler.
    await embedder.embed(texts.slice(0, textsPerCall), options.signal)
    const latencyMs = await measureLatency(embedder, { ...options, texts, durationMs: durationMs / 2 })
    const rates = await measureRates(embedder, { ...options, texts, durationMs })
    return { ...tuning, ...rates, latencyMs, memoryMb: Math.round(residentBytes() / 2 ** 20) }
  })
}

type Measuring = Required<Pick<MeasureOptions, 'clock' | 'signal' | 'durationMs'>> & {
  readonly texts: readonly string[]
}

async function measureLatency(embedder: Embedder, { texts, durationMs, clock, signal }: Measuring) {
  const times: number[] = []
  const start = clock.now()
  for (let at = 0; times.length < maxSingles && (times.length < 3 || clock.now() - start < durationMs); at++) {
    const before = clock.now()
    await embedder.embed([texts[at % texts.length] ?? ''], signal)
    times.push(clock.now() - before)
  }
  times.sort((a, b) => a - b)
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95) }
}

async function measureRates(embedder: Embedder, { texts, durationMs, clock, signal }: Measuring) {
  const before = embedder.stats
  const start = clock.now()
  let next = 0
  const callers = Array.from({ length: callsInFlight }, async () => {
    do {
      const from = next
      next += textsPerCall
      const call = Array.from({ length: textsPerCall }, (_, at) => texts[(from + at) % texts.length] ?? '')
      await embedder.embed(call, signal)
    } while (clock.now() - start < durationMs)
  })
  await Promise.all(callers)
  const seconds = Math.max(1, clock.now() - start) / 1_000
  const { stats } = embedder
  // A text that was answered by the run of another one cost nothing.
  const run = stats.texts - stats.sharedTexts - (before.texts - before.sharedTexts)
  return { textsPerSecond: run / seconds, tokensPerSecond: (stats.tokens - before.tokens) / seconds }
}

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
