import type { Clock } from '../../src/clock.ts'

interface Timer {
  readonly dueMs: number
  readonly action: () => void
  handle?: NodeJS.Timeout
}

/** A clock that runs faster than the wall: an hour of its time goes by in a minute when `speed` is 60. It can be stopped. */
export class FastClock implements Clock {
  readonly #speed: number
  readonly #timers = new Set<Timer>()
  #startMs = Date.now()
  /** On the wall; undefined while it is stopped. */
  #startedAt: number | undefined = performance.now()

  constructor(speed: number) {
    this.#speed = speed
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return (
      this.#startMs +
      (this.#startedAt === undefined ? 0 : Math.floor((performance.now() - this.#startedAt) * this.#speed))
    )
  }

  after(delayMs: number, action: () => void) {
    const timer: Timer = { dueMs: this.now() + Math.max(0, delayMs), action }
    this.#timers.add(timer)
    this.#arm(timer)
    return () => {
      this.#timers.delete(timer)
      clearTimeout(timer.handle)
    }
  }

  /** No time goes by, and no timer fires, until `go`. */
  stop(): void {
    this.#startMs = this.now()
    this.#startedAt = undefined
    for (const timer of this.#timers) clearTimeout(timer.handle)
  }

  go(): void {
    this.#startedAt ??= performance.now()
    for (const timer of this.#timers) this.#arm(timer)
  }

  #arm(timer: Timer): void {
    if (this.#startedAt === undefined) return
    clearTimeout(timer.handle)
    timer.handle = setTimeout(
      () => {
        this.#timers.delete(timer)
        timer.action()
      },
      Math.max(0, timer.dueMs - this.now()) / this.#speed,
    )
  }
}
