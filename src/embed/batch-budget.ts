import type { Clock } from '../clock.ts'
import type { Device } from './engine.ts'

export interface BatchBudgetOptions {
  readonly clock: Clock
  /** Tokens that the model reads. */
  readonly maxTokens: number
}

/** As long as a chunk of a document. */
const rowTokens = 64
const leastTokens = 128
const mostTokens = 16_384
/** A start that takes much longer is noticed. */
const longestMs = 400
/** A larger batch has to gain more than this to be worth the memory that it keeps. */
const leastGain = 1.03
/** Rates only fall from here on. */
const hopeless = 0.9

/**
 * The token budget of a batch that suits a device: the smallest one that nothing beats by more than 3 %. Tries 128 tokens, 256 and so on
 * until it gets slower or 0.4 s would be over.
 */
export async function measureBatchTokens(device: Device, { clock, maxTokens }: BatchBudgetOptions): Promise<number> {
  const start = clock.now()
  const row = new Int32Array(Math.min(rowTokens, maxTokens))
  let best = { tokens: leastTokens, rate: 0 }
  let lastMs = 0
  // The next two runs take twice as long as the last two, or less.
  for (let tokens = leastTokens; tokens <= mostTokens && clock.now() - start + 4 * lastMs <= longestMs; tokens *= 2) {
    const rows = Array.from({ length: Math.max(1, Math.round(tokens / row.length)) }, () => row)
    const time = () => timed(device, rows, clock)
    lastMs = Math.min(await time(), await time())
    const rate = (rows.length * row.length) / lastMs
    if (rate > best.rate * leastGain) best = { tokens, rate }
    else if (rate < best.rate * hopeless) break
  }
  return best.tokens
}

/** Milliseconds; a run that is too short to be seen took half of one. */
async function timed(device: Device, rows: readonly Int32Array[], clock: Clock): Promise<number> {
  const before = clock.now()
  await device.run(rows)
  return Math.max(0.5, clock.now() - before)
}
