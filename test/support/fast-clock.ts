import type { Clock } from '../../src/clock.ts'

/** A clock that runs faster than the wall: an hour of its time goes by in a minute when `speed` is 60. */
export class FastClock implements Clock {
  readonly #speed: number
  readonly #startMs = Date.now()
  readonly #startedAt = performance.now()
  #pending = 0

  constructor(speed: number) {
    this.#speed = speed
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#pending
  }

  now(): number {
    return this.#startMs + Math.floor((performance.now() - this.#startedAt) * this.#speed)
  }

  after(delayMs: number, action: () => void) {
    this.#pending++
    let waits = true
    const end = () => {
      if (waits) this.#pending--
      waits = false
    }
    const timer = setTimeout(() => {
      end()
      action()
    }, Math.max(0, delayMs) / this.#speed)
    return () => {
      end()
      clearTimeout(timer)
    }
  }
}
