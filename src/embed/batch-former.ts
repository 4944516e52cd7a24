import type { Clock } from '../clock.ts'

/** Anything that costs tokens; the engine's texts. */
export interface Batchable {
  readonly tokens: number
  /** Somebody waits for it alone, as for the answer to a question: it goes before those that are not. Default false. */
  readonly isUrgent?: boolean
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

/**
 * Why a batch was closed: a device was idle and took what there was; or all were busy, and enough tokens or texts were there, or the oldest
 * text had waited long enough.
 */
export type CloseReason = 'idle_device' | 'tokens' | 'count' | 'timeout'

export interface Batch<Item> {
  /** At least one. */
  readonly items: readonly Item[]
  readonly reason: CloseReason
  /** How long the oldest of them was in the window. */
  readonly waitedMs: number
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
 * the window: so nothing starves whatever else arrives, and the rows are nearly equal in length. Urgent texts go first, but no two batches
 * in a row are built around them while others wait. A neighbour joins as long as the batch stays within its token budget and the padding
 * that the neighbour causes is cheaper than a run of its own.
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
  /** The last batch was built around an urgent text. */
  #wasUrgent = false

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

  /** The next batch for one of `idleDevices` idle devices; undefined only when nothing waits. */
  takeForIdle(idleDevices: number): Batch<Item> | undefined {
    // Alone it takes everything, padding included, which no share of the tokens counts.
    if (idleDevices <= 1) return this.#take('idle_device', this.maxBatchTokens)
    const share = Math.max(leastSharedTokens, Math.ceil(this.#tokens / idleDevices))
    return this.#take('idle_device', Math.min(this.maxBatchTokens, share))
  }

  /** The next batch for a device that is still at work; undefined while waiting for company is worth more. */
  takeForBusy(): Batch<Item> | undefined {
    const reason = this.#reasonForBusy()
    return reason && this.#take(reason, this.maxBatchTokens)
  }

  /** Milliseconds until the oldest text has waited long enough for a busy device; undefined when nothing waits. */
  get waitMs(): number | undefined {
    const oldest = this.#window[this.#oldest()]
    if (!oldest) return undefined
    const waitedMs = this.#clock.now() - oldest.since
    // Below zero the wall clock was set back: nobody knows how long it was, and it must not be waited for.
    return waitedMs < 0 ? 0 : Math.max(0, this.#maxWaitMs - waitedMs)
  }

  #reasonForBusy(): CloseReason | undefined {
    if (this.#tokens * 2 >= this.maxBatchTokens) return 'tokens'
    if (this.size >= this.#maxBatchTexts) return 'count'
    return this.waitMs === 0 ? 'timeout' : undefined
  }

  #take(reason: CloseReason, budget: number): Batch<Item> | undefined {
    let from = this.#seed()
    const seed = this.#window[from]
    if (!seed) return undefined
    this.#wasUrgent = isUrgent(seed)
    let to = from + 1
    for (;;) {
      const below = this.#costOf(from - 1, to, budget)
      const above = this.#costOf(from, to + 1, budget)
      if (below === Number.POSITIVE_INFINITY && above === Number.POSITIVE_INFINITY) break
      if (below <= above) from--
      else to++
    }
    const since = this.#window.slice(from, to).reduce((first, waiting) => Math.min(first, waiting.since), seed.since)
    return { items: this.#cut(from, to), reason, waitedMs: Math.max(0, this.#clock.now() - since) }
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

  /** Where the text is that the next batch is built around, or -1. */
  #seed(): number {
    const urgent = this.#oldest(isUrgent)
    if (urgent === -1) return this.#oldest()
    const other = this.#wasUrgent ? this.#oldest((waiting) => !isUrgent(waiting)) : -1
    return other === -1 ? urgent : other
  }

  /** Where the text is that has waited longest, of those that count; -1 when there is none. */
  #oldest(counts: (waiting: Waiting<Item>) => boolean = () => true): number {
    let oldest = -1
    for (const [at, waiting] of this.#window.entries())
      if (counts(waiting) && waiting.sequence < (this.#window[oldest]?.sequence ?? Number.POSITIVE_INFINITY))
        oldest = at
    return oldest
  }

  /** Behind everything that is not longer. */
  #placeOf(tokens: number): number {
    const at = this.#window.findLastIndex((waiting) => waiting.tokens <= tokens)
    return at + 1
  }
}

function isUrgent({ item }: Waiting<Batchable>): boolean {
  return item.isUrgent === true
}
