import type { Clock } from '../clock.ts'

/** Anything that costs tokens; the engine's texts. */
export interface Batchable {
  readonly tokens: number
}

export interface BatchFormerOptions {
  /** Texts that are looked at together; a larger window pads less and keeps a text waiting longer. Default 256. */
  readonly windowTexts?: number
  /** Rows x longest row of a batch. Default 512: on a CPU a batch gains nothing from more, and its memory stays allocated. */
  readonly maxBatchTokens?: number
  /** Rows of a batch; 1 runs every text alone. Default: as many as the budget allows. */
  readonly maxBatchTexts?: number
  /**
   * How many tokens the rows of a batch may differ in length. Default 16: what a run costs before it has computed anything (measured on
   * a CPU: 2 ms of a 60 ms batch).
   */
  readonly maxPaddingTokens?: number
  /** The longest that a text waits for company while every device is busy. Default 20. */
  readonly maxWaitMs?: number
}

interface Waiting<Item> {
  readonly item: Item
  readonly tokens: number
  readonly since: number
  readonly sequence: number
}

/** Below this many tokens a batch is not split to keep a second idle device busy. */
const leastSharedTokens = 128

/**
 * Decides which texts are run together. Pure: no timer, no thread; whoever owns the devices asks for a batch and gets one or waits.
 *
 * The waiting texts form a window sorted by length. A batch is built around the text that has waited longest, from its neighbours in
 * the window: so nothing starves whatever else arrives, and the rows are nearly equal in length. A neighbour joins as long as the
 * batch stays within its token budget and the padding that the neighbour causes is cheaper than a run of its own.
 *
 * A device that is idle takes what is there. Only while all are busy is there time to wait for a better batch.
 */
export class BatchFormer<Item extends Batchable> {
  readonly maxBatchTokens: number
  readonly #maxBatchTexts: number
  readonly #maxPaddingTokens: number
  readonly #windowTexts: number
  readonly #maxWaitMs: number
  readonly #clock: Clock
  /** By length, then by arrival. */
  readonly #window: Waiting<Item>[] = []
  #tokens = 0
  #sequence = 0

  constructor(clock: Clock, options: BatchFormerOptions = {}) {
    this.#clock = clock
    this.#windowTexts = options.windowTexts ?? 256
    this.maxBatchTokens = options.maxBatchTokens ?? 512
    this.#maxBatchTexts = options.maxBatchTexts ?? Number.POSITIVE_INFINITY
    this.#maxPaddingTokens = options.maxPaddingTokens ?? 16
    this.#maxWaitMs = options.maxWaitMs ?? 20
  }

  /** How many texts the window still takes. */
  get room(): number {
    return Math.max(0, this.#windowTexts - this.#window.length)
  }

  get size(): number {
    return this.#window.length
  }

  add(item: Item): void {
    const waiting = { item, tokens: item.tokens, since: this.#clock.now(), sequence: this.#sequence++ }
    this.#window.splice(this.#placeOf(waiting.tokens), 0, waiting)
    this.#tokens += waiting.tokens
  }

  /** Takes back an item that nobody wants any more; false when it is not in the window. */
  remove(item: Item): boolean {
    const at = this.#window.findIndex((waiting) => waiting.item === item)
    if (at === -1) return false
    this.#cut(at, at + 1)
    return true
  }

  /** The next batch for one of `idleDevices` idle devices; empty only when nothing waits. */
  takeForIdle(idleDevices: number): readonly Item[] {
    // Alone it takes everything, padding included, which no share of the tokens counts.
    if (idleDevices <= 1) return this.#take(this.maxBatchTokens)
    const share = Math.max(leastSharedTokens, Math.ceil(this.#tokens / idleDevices))
    return this.#take(Math.min(this.maxBatchTokens, share))
  }

  /** The next batch for a device that is still at work; empty while waiting for company is worth more. */
  takeForBusy(): readonly Item[] {
    const enough = this.#tokens * 2 >= this.maxBatchTokens || this.size >= this.#maxBatchTexts
    return enough || this.waitMs === 0 ? this.#take(this.maxBatchTokens) : []
  }

  /** Milliseconds until the oldest text has waited long enough for a busy device; undefined when nothing waits. */
  get waitMs(): number | undefined {
    const oldest = this.#window[this.#oldest()]
    if (!oldest) return undefined
    const waitedMs = this.#clock.now() - oldest.since
    // Below zero the wall clock was set back: nobody knows how long it was, and it must not be waited for.
    return waitedMs < 0 ? 0 : Math.max(0, this.#maxWaitMs - waitedMs)
  }

  #take(budget: number): readonly Item[] {
    if (this.#window.length === 0) return []
    let from = this.#oldest()
    let to = from + 1
    for (;;) {
      const below = this.#costOf(from - 1, to, budget)
      const above = this.#costOf(from, to + 1, budget)
      if (below === Number.POSITIVE_INFINITY && above === Number.POSITIVE_INFINITY) break
      if (below <= above) from--
      else to++
    }
    return this.#cut(from, to)
  }

  /** The padding per row of the range `[from, to)` of the window, or infinity when it must not be one batch. */
  #costOf(from: number, to: number, budget: number): number {
    const shortest = this.#window[from]
    const longest = this.#window[to - 1]
    const rows = to - from
    if (!shortest || !longest || rows > this.#maxBatchTexts) return Number.POSITIVE_INFINITY
    if (rows * longest.tokens > budget) return Number.POSITIVE_INFINITY
    const gap = longest.tokens - shortest.tokens
    return gap <= this.#maxPaddingTokens ? gap : Number.POSITIVE_INFINITY
  }

  #cut(from: number, to: number): readonly Item[] {
    const taken = this.#window.splice(from, to - from)
    for (const waiting of taken) this.#tokens -= waiting.tokens
    return taken.map((waiting) => waiting.item)
  }

  #oldest(): number {
    let oldest = 0
    for (const [at, waiting] of this.#window.entries())
      if (waiting.sequence < (this.#window[oldest]?.sequence ?? 0)) oldest = at
    return oldest
  }

  /** Behind everything that is not longer. */
  #placeOf(tokens: number): number {
    const at = this.#window.findLastIndex((waiting) => waiting.tokens <= tokens)
    return at + 1
  }
}
