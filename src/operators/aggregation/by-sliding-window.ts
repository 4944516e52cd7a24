import type { StreamRecord } from '../../record.ts'
import type { Timestamped, WindowEntry, WindowStore } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { Windowed } from '../../windowed.ts'
import { forwardClosed, type WindowResults } from './emit.ts'
import type { Fold } from './fold.ts'
import type { SlidingWindows } from './windows.ts'

/**
 * One aggregate a key and set of records that lie within the time difference. A record makes the window that ends at it, and the window
 * that starts right after an earlier record when it is the first in there; what it finds open it joins. After
 * `KStreamSlidingWindowAggregate` of Kafka Streams (KIP-450), whose order of outputs it keeps.
 */
export function aggregateBySlidingWindow<K, V, A>(
  store: string,
  windows: SlidingWindows,
  fold: Fold<K, V, A>,
  results: WindowResults<K, A>,
): Processor<K | null, V, Windowed<K>, A> {
  return {
    process(record, context) {
      const { key, value, timestamp } = record
      if (key === null) return context.drop('null_key')
      if (value === null) return context.drop('null_value')
      const aggregates = context.store<WindowStore<K, A>>(store)
      const closedMs = Math.max(aggregates.observedMs, timestamp) - windows.graceMs
      if (timestamp + 1 + windows.differenceMs <= closedMs) return context.drop('late')
      if (results.emit === 'window-close') {
        const closedBeforeMs = aggregates.observedMs - windows.graceMs
        const { differenceMs } = windows
        const closed = aggregates.between(closedBeforeMs - differenceMs, closedMs - 1 - differenceMs)
        forwardClosed(closed, differenceMs, { context, headers: record.headers })
      }
      const step = new SlidingStep({ ...record, key }, { windows, fold, results, aggregates, context, closedMs })
      if (timestamp < windows.differenceMs) step.runEarly()
      else step.run()
    },
  }
}

interface StepOptions<K, V, A> {
  readonly windows: SlidingWindows
  readonly fold: Fold<K, V, A>
  readonly results: WindowResults<K, A>
  readonly aggregates: WindowStore<K, A>
  readonly context: ProcessorContext<Windowed<K>, A>
  /** Windows that end before it take nothing. */
  readonly closedMs: number
}

/** What one record does to the windows of its key. */
class SlidingStep<K, V, A> {
  readonly #record: StreamRecord<K, V>
  readonly #options: StepOptions<K, V, A>
  readonly #starts = new Set<number>()
  /** The largest time of the records before this one. */
  #previousMs: number | undefined
  /** Aggregate of the records after this one, and it itself when it was there. */
  #right: Timestamped<A> | undefined
  #rightExists = false

  constructor(record: StreamRecord<K, V>, options: StepOptions<K, V, A>) {
    this.#record = record
    this.#options = options
  }

  run(): void {
    const { timestamp } = this.#record
    const { differenceMs } = this.#options.windows
    const { left, leftExists } = this.#joinOpen()
    const previousMs = this.#previousMs
    if (previousMs !== undefined && previousMs + 1 + differenceMs >= timestamp) this.#createPreviousRight(previousMs)
    if (!leftExists) {
      const shares = previousMs !== undefined && timestamp - differenceMs <= previousMs
      this.#update(timestamp - differenceMs, shares && left ? { ...left, timestamp } : undefined, null)
    }
    this.#createRight()
  }

  /** Adds the record to the windows that hold it, latest first. Stops at the last one before it. */
  #joinOpen(): { readonly left: WindowEntry<A> | undefined; readonly leftExists: boolean } {
    const { key, timestamp } = this.#record
    const { aggregates, windows } = this.#options
    const found = aggregates.fetchRange(key, Math.max(0, timestamp - 2 * windows.differenceMs), timestamp + 1)
    let leftExists = false
    for (const entry of found.toReversed()) {
      this.#starts.add(entry.startMs)
      const endMs = entry.startMs + windows.differenceMs
      if (endMs < timestamp) {
        this.#previousMs = entry.timestamp
        return { left: entry, leftExists }
      }
      if (endMs === timestamp) leftExists = true
      this.#join(entry, endMs)
    }
    return { left: undefined, leftExists }
  }

  #join(entry: WindowEntry<A>, endMs: number): void {
    const { timestamp } = this.#record
    if (entry.startMs === timestamp + 1) {
      this.#rightExists = true
      return
    }
    if (endMs > timestamp) this.#right ??= entry
    else if (entry.timestamp < timestamp) this.#previousMs = entry.timestamp
    this.#update(entry.startMs, entry)
  }

  /** A window cannot start before 0: all records up to the time difference share the one that does. */
  runEarly(): void {
    const { key, timestamp } = this.#record
    let shared: WindowEntry<A> | undefined
    for (const entry of this.#options.aggregates.fetchRange(key, 0, timestamp + 1)) {
      this.#starts.add(entry.startMs)
      if (entry.startMs === 0) {
        shared = entry
        if (entry.timestamp < timestamp) this.#previousMs = entry.timestamp
      } else if (entry.startMs <= timestamp) {
        this.#right = entry
        this.#update(entry.startMs, entry)
      } else this.#rightExists = true
    }
    if (!this.#right && shared && shared.timestamp > timestamp) this.#right = shared
    this.#createRight()
    if (this.#previousMs !== undefined) this.#createPreviousRight(this.#previousMs)
    this.#update(0, shared)
  }

  /** The window that starts right after the record before this one: this one is the first in it. */
  #createPreviousRight(previousMs: number): void {
    if (!this.#starts.has(previousMs + 1)) this.#update(previousMs + 1, undefined)
  }

  /** The window that starts right after this record, when there are later ones: they are what it holds. */
  #createRight(): void {
    const { timestamp } = this.#record
    if (this.#rightExists || !this.#right || this.#right.timestamp <= timestamp) return
    this.#put(timestamp + 1, this.#right, null)
  }

  /** Adds the record to an aggregate, which becomes that of the window. `before` is what the window had itself. */
  #update(startMs: number, from: Timestamped<A> | undefined, before = from?.value ?? null): void {
    const { key, value, timestamp } = this.#record
    const { fold, windows, closedMs, context } = this.#options
    if (startMs + windows.differenceMs < closedMs) {
      context.drop('late')
      return
    }
    const after = fold.add(from ? from.value : fold.create(), value, key)
    this.#put(startMs, { value: after, timestamp: Math.max(from?.timestamp ?? timestamp, timestamp) }, before)
  }

  #put(startMs: number, { value, timestamp }: Timestamped<A | null>, before: A | null): void {
    const { key, headers, timestamp: recordMs } = this.#record
    const { aggregates, windows, results, context } = this.#options
    aggregates.put(key, startMs, value, timestamp)
    if (results.emit === 'window-close') return
    const window = { startMs, endMs: startMs + windows.differenceMs }
    results.send({ key: { key, window }, value, before, timestamp, recordMs, headers }, context)
  }
}
