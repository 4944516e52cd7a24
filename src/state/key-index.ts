import { type TextRange, timeText } from './key-text.ts'
import { SortedMap } from './sorted-map.ts'

/**
 * The keys of one store in order, and by their time where it deletes by time. In memory, because the synchronous zone cannot wait for an
 * iterator of LevelDB; values stay in the store. Knows keys of open generations like durable ones. Keys are key texts.
 */
export class KeyIndex {
  readonly #times = new SortedMap<number>()
  readonly #byTime: SortedMap<string> | undefined
  /** No key is earlier: most calls of `before` end here. */
  #earliestMs = Number.POSITIVE_INFINITY

  constructor(options: { readonly byTime: boolean }) {
    this.#byTime = options.byTime ? new SortedMap() : undefined
  }

  get size(): number {
    return this.#times.size
  }

  set(key: string, timestamp: number): void {
    if (this.#byTime) {
      this.#forgetTime(key)
      this.#byTime.set(placeOf(key, timestamp), key)
      this.#earliestMs = Math.min(this.#earliestMs, timestamp)
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
    if (!this.#byTime || timeMs < this.#earliestMs) return []
    const found = [...this.#byTime.entries({ lt: timeText(Math.max(0, timeMs + 1)) }).map(([, key]) => key)]
    const earliest = found[0]
    this.#earliestMs = (earliest === undefined ? undefined : this.#times.get(earliest)) ?? timeMs + 1
    return found
  }

  clear(): void {
    for (const key of [...this.keys({})]) this.delete(key)
  }

  #forgetTime(key: string): void {
    const before = this.#times.get(key)
    if (before !== undefined) this.#byTime?.delete(placeOf(key, before))
  }
}

function placeOf(key: string, timestamp: number): string {
  return `${timeText(Math.max(0, timestamp))}${key}`
}
