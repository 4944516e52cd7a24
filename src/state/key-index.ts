import type { TextRange } from './key-text.ts'
import { SortedMap } from './sorted-map.ts'
import { TimeOrder } from './time-order.ts'

/**
 * The keys of one store in order, and by their time where it deletes by time. In memory, because the synchronous zone cannot wait for an
 * iterator of LevelDB; values stay in the store. Knows keys of open generations like durable ones. Keys are key texts.
 */
export class KeyIndex {
  #times = new SortedMap<number>()
  readonly #byTime: TimeOrder<string> | undefined

  constructor(options: { readonly byTime: boolean }) {
    this.#byTime = options.byTime ? new TimeOrder((key) => placeInTime(this.timeOf(key) ?? 0)) : undefined
  }

  get size(): number {
    return this.#times.size
  }

  set(key: string, timestamp: number): void {
    if (this.#byTime) {
      this.#forgetTime(key)
      this.#byTime.add(placeInTime(timestamp), key, key)
    }
    this.#times.set(key, timestamp)
  }

  delete(key: string): void {
    if (this.#byTime) this.#forgetTime(key)
    this.#times.delete(key)
  }

  timeOf(key: string): number | undefined {
    return this.#times.get(key)
  }

  /** As they are at the call. */
  keys(range: TextRange): IteratorObject<string, undefined> {
    return this.#times.entries(range).map(([key]) => key)
  }

  /** Those whose time is `timeMs` or earlier, the earliest first. */
  before(timeMs: number): readonly string[] {
    return this.#byTime?.before(timeMs) ?? []
  }

  clear(): void {
    this.#times = new SortedMap()
    this.#byTime?.clear()
  }

  #forgetTime(key: string): void {
    const before = this.#times.get(key)
    if (before !== undefined) this.#byTime?.delete(placeInTime(before), key)
  }
}

function placeInTime(timestamp: number): number {
  return Math.max(0, timestamp)
}
