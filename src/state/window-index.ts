import { timeText } from './key-text.ts'
import { TimeOrder } from './time-order.ts'

/** One live window of a store. */
export interface IndexedWindow {
  /** Text of the key's bytes. */
  readonly key: string
  readonly startMs: number
  readonly endMs: number
  /** Where it stands in time for expiry: the start of a window, the end of a session. */
  readonly timeMs: number
}

/**
 * Which windows a store holds: by key for look-ups, by time for expiry. In memory, because the synchronous zone cannot wait for an iterator
 * of LevelDB; values stay in the store. Knows windows of open generations like durable ones.
 */
export class WindowIndex {
  readonly #byKey = new Map<string, IndexedWindow[]>()
  readonly #byTime = new TimeOrder<IndexedWindow>(({ timeMs }) => timeMs)
  #latestMs = -1
  #observedMs = -1

  /** The latest place in time of any window that was ever observed; -1 before the first. */
  get latestMs(): number {
    return this.#latestMs
  }

  /** The largest timestamp of any value that was ever observed; -1 before the first. */
  get observedMs(): number {
    return this.#observedMs
  }

  /** Time has come so far, whatever became of the value. */
  observe({ timeMs }: IndexedWindow, timestamp: number): void {
    this.#latestMs = Math.max(this.#latestMs, timeMs)
    this.#observedMs = Math.max(this.#observedMs, timestamp)
  }

  add(window: IndexedWindow): void {
    const windows = this.#byKey.get(window.key)
    if (!windows) this.#byKey.set(window.key, [window])
    else if (!insert(windows, window)) return
    this.#byTime.add(window.timeMs, textOf(window), window)
  }

  delete(window: IndexedWindow): void {
    const windows = this.#byKey.get(window.key)
    const at = windows ? firstAtOrAfter(windows, window) : -1
    const found = windows?.[at]
    if (!windows || !found || order(found, window) !== 0) return
    windows.splice(at, 1)
    if (windows.length === 0) this.#byKey.delete(window.key)
    this.#byTime.delete(window.timeMs, textOf(window))
  }

  /** The windows of a key whose place in time lies within the bounds, both included, in the order of time. */
  of(key: string, fromMs: number, toMs: number): readonly IndexedWindow[] {
    const windows = this.#byKey.get(key)
    if (!windows) return []
    const start = firstAtOrAfter(windows, { timeMs: fromMs, startMs: Number.NEGATIVE_INFINITY })
    const end = firstAtOrAfter(windows, { timeMs: toMs, startMs: Number.POSITIVE_INFINITY })
    return windows.slice(start, end)
  }

  /** Windows whose place in time is `timeMs` or earlier, in the order of time, then of the bytes of the key. */
  before(timeMs: number): readonly IndexedWindow[] {
    return this.#byTime.before(timeMs)
  }

  /** The first window of a key whose place in time is `fromMs` or later. */
  first(key: string, fromMs: number): IndexedWindow | undefined {
    const windows = this.#byKey.get(key)
    return windows?.[firstAtOrAfter(windows, { timeMs: fromMs, startMs: Number.NEGATIVE_INFINITY })]
  }

  /**
   * Windows whose place in time lies within the bounds, both included, in the order of time, of starts, then of the bytes of the key. As they
   * are at the call, and found one by one: who stops early pays for no more.
   */
  between(fromMs: number, toMs: number): IteratorObject<IndexedWindow> {
    return this.#byTime.between(fromMs, toMs)
  }

  /** All windows, in the order of the keys' bytes, then of time. */
  all(): readonly IndexedWindow[] {
    const keys = [...this.#byKey].sort(([a], [b]) => (a < b ? -1 : 1))
    return keys.flatMap(([, windows]) => windows)
  }

  clear(): void {
    this.#byKey.clear()
    this.#byTime.clear()
    this.#latestMs = -1
    this.#observedMs = -1
  }
}

/** False when it is there already. */
function insert(windows: IndexedWindow[], window: IndexedWindow): boolean {
  const at = firstAtOrAfter(windows, window)
  const found = windows[at]
  if (found && order(found, window) === 0) return false
  windows.splice(at, 0, window)
  return true
}

type Place = Pick<IndexedWindow, 'timeMs' | 'startMs'>

function order(a: Place, b: Place): number {
  // Bounds may be infinite, and infinity less infinity is no number.
  return a.timeMs === b.timeMs ? a.startMs - b.startMs : a.timeMs - b.timeMs
}

function firstAtOrAfter(windows: readonly IndexedWindow[], place: Place): number {
  let low = 0
  let high = windows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const window = windows[middle]
    if (window && order(window, place) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Decides between windows of one time. */
function textOf({ key, startMs }: IndexedWindow): string {
  return `${timeText(startMs)}${key}`
}
