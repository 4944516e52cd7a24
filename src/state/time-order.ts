import { timeText } from './key-text.ts'
import { SortedMap } from './sorted-map.ts'

/** Things in the order of their times, and of a text each where times are equal. Times are whole milliseconds, 0 or more. */
export class TimeOrder<T> {
  readonly #timeOf: (thing: T) => number
  #things = new SortedMap<T>()
  /** Nothing is earlier: most calls of `before` end here. */
  #earliestMs = Number.POSITIVE_INFINITY

  /** `timeOf`: of something that is in. */
  constructor(timeOf: (thing: T) => number) {
    this.#timeOf = timeOf
  }

  add(timeMs: number, text: string, thing: T): void {
    this.#things.set(placeOf(timeMs, text), thing)
    this.#earliestMs = Math.min(this.#earliestMs, timeMs)
  }

  delete(timeMs: number, text: string): void {
    this.#things.delete(placeOf(timeMs, text))
  }

  /** What lies within the bounds, both included. As it is at the call, and found one by one: who stops early pays for no more. */
  between(fromMs: number, toMs: number): IteratorObject<T, undefined> {
    const range = { gte: timeText(Math.max(0, fromMs)), lt: timeText(Math.max(0, toMs + 1)) }
    return this.#things.entries(range).map(([, thing]) => thing)
  }

  /** What has this time or an earlier one. */
  before(timeMs: number): readonly T[] {
    if (timeMs < this.#earliestMs) return []
    const found = [...this.between(0, timeMs)]
    const [earliest] = found
    this.#earliestMs = earliest === undefined ? timeMs + 1 : this.#timeOf(earliest)
    return found
  }

  clear(): void {
    this.#things = new SortedMap()
    this.#earliestMs = Number.POSITIVE_INFINITY
  }
}

function placeOf(timeMs: number, text: string): string {
  return `${timeText(timeMs)}${text}`
}
