import type { Clock } from '../../clock.ts'
import { type Generation, Generations, type Positions } from './generation.ts'
import type { ResultOrigin } from './held-results.ts'
import { InFlight, type InFlightOrigin } from './in-flight.ts'

export interface ProgressOptions {
  readonly clock: Clock
  readonly commitIntervalMs: number
  readonly maxOpenGenerations: number
  readonly maxInFlightRecords: number
  readonly maxInFlightBytes: number
  /** Where the task would go on now. */
  readonly positions: () => Positions
  /**
   * The open generation is about to be cut: what waits for that belongs to it. False when that is not done: then there is no cut. `whole`: it has
   * to be done, however long it takes.
   */
  readonly beforeCut: (whole: boolean) => boolean
  /** Commits a complete generation. */
  readonly commit: (generation: Generation) => Promise<void>
  readonly failed: (error: unknown) => void
  /** A record is done, so long after it was taken. Times are taken only for whoever wants to know. */
  readonly finished?: ((durationMs: number) => void) | undefined
  /** A record is done or a generation is committed: there may be room again. */
  readonly changed: () => void
}

/**
 * How far a task has come: records in flight, generations waiting, and the commits, strictly in order and one at a time. Nothing is
 * ever committed early; at a bound intake has to pause.
 */
export class Progress {
  readonly #options: ProgressOptions
  readonly #generations: Generations
  #cutPositions: Positions
  #committed: Positions
  #inFlight = 0
  #inFlightBytes = 0
  #committing: Promise<void> | undefined
  #closed = false
  #waiters: (() => void)[] = []

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#generations = new Generations(options.clock.now())
    this.#cutPositions = options.positions()
    this.#committed = this.#cutPositions
  }

  /** The generation that records are taken into. */
  get open(): Generation {
    return this.#generations.open
  }

  get hasRoom(): boolean {
    const { maxInFlightRecords, maxInFlightBytes } = this.#options
    return this.#inFlight < maxInFlightRecords && this.#inFlightBytes < maxInFlightBytes
  }

  /** Something was taken, or passed over, since the last cut. */
  get hasMoved(): boolean {
    if (this.open.records > 0) return true
    return [...this.#options.positions()].some(([key, offset]) => offset !== this.#cutPositions.get(key))
  }

  /** Records that were taken and are not done. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Generations that are not committed; the open one counts. */
  get openGenerations(): number {
    return this.#generations.count
  }

  /** Since when, on the clock, something waits for its commit; undefined when nothing does. */
  get uncommittedSince(): number | undefined {
    return this.#generations.oldestTakenAt
  }

  /** Where the task would go on after a crash. */
  get committed(): Positions {
    return this.#committed
  }

  /** Every record is done. */
  get quiet(): boolean {
    return this.#inFlight === 0
  }

  /** Every record is done and everything is committed. */
  get settled(): boolean {
    return this.#inFlight === 0 && this.#generations.count === 1 && !this.#committing && !this.hasMoved
  }

  /** When the open generation should be cut, on the clock. Never while too many wait: the end of a commit wakes the loop. */
  get cutDue(): number {
    const mayCut = this.#generations.count < this.#options.maxOpenGenerations
    if (!mayCut || !this.hasMoved) return Number.POSITIVE_INFINITY
    const { clock, commitIntervalMs } = this.#options
    const now = clock.now()
    // A clock that was turned back would put the cut off by as much.
    return this.open.openedAt > now ? now : this.open.openedAt + commitIntervalMs
  }

  track(origin: Omit<InFlightOrigin, 'generation'>): InFlight {
    const generation = this.open
    generation.take()
    generation.firstTakenAt ??= this.#options.clock.now()
    this.#inFlight++
    this.#inFlightBytes += origin.bytes
    const { finished, clock } = this.#options
    if (!finished) return new InFlight({ ...origin, generation }, (record) => this.#done(record))
    const takenAt = clock.now()
    return new InFlight({ ...origin, generation }, (record) => {
      finished(clock.now() - takenAt)
      this.#done(record)
    })
  }

  /** A result that was held back goes out: it counts as a record of its own. */
  trackResult(origin: ResultOrigin): InFlight {
    return this.track({ ...origin, raw: undefined, bytes: 0 })
  }

  /** Starts a new generation. False when too many wait already, or something has to be done first and there is no time for the whole of it. */
  cut(whole = false): boolean {
    if (this.#generations.count >= this.#options.maxOpenGenerations) return false
    if (!this.#options.beforeCut(whole)) return false
    this.#cutPositions = this.#options.positions()
    this.#generations.cut(this.#cutPositions, this.#options.clock.now())
    this.#commitWhatIsComplete()
    return true
  }

  /** Cuts at once if anything has moved and it may, and waits until all that was taken before is committed, or the signal aborts. */
  async commit(signal: AbortSignal): Promise<void> {
    await this.#until(() => !this.hasMoved || this.cut(true), signal)
    await this.#until(() => this.#generations.count === 1 && !this.#committing, signal)
  }

  /** Commits once everything that was taken is done. True when nothing was taken meanwhile, and nothing is left. */
  async drain(signal: AbortSignal): Promise<boolean> {
    await this.#until(() => this.#inFlight === 0, signal)
    await this.commit(signal)
    return this.settled
  }

  /** Begins no further commit. */
  stop(): void {
    this.#closed = true
    this.#wakeWaiters()
  }

  /** Stops, and resolves when the commit under way has ended. */
  async close(): Promise<void> {
    this.stop()
    await this.#committing
  }

  #done(record: InFlight): void {
    this.#inFlight--
    this.#inFlightBytes -= record.bytes
    record.generation.finish()
    this.#commitWhatIsComplete()
    this.#wakeWaiters()
    this.#options.changed()
  }

  #commitWhatIsComplete(): void {
    if (this.#committing || this.#closed || !this.#generations.committable) return
    this.#committing = this.#commitInOrder()
      .catch((error: unknown) => {
        // What could not be committed stays uncommitted for ever: the owner has to start over from the log.
        this.#closed = true
        this.#options.failed(error)
      })
      .finally(() => {
        this.#committing = undefined
        // A cut may have come after the last look.
        this.#commitWhatIsComplete()
        this.#wakeWaiters()
        this.#options.changed()
      })
  }

  async #commitInOrder(): Promise<void> {
    for (let next = this.#generations.committable; next && !this.#closed; next = this.#generations.committable) {
      await this.#options.commit(next)
      this.#generations.committed(next)
      this.#committed = next.positions ?? this.#committed
    }
  }

  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#closed && !condition()) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  #wakeWaiters(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }
}
