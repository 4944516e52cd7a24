import type { Cancel, Clock } from '../../clock.ts'

/** Lets a loop sleep until there is something to do. A wake-up while nobody sleeps is remembered. */
export class Wakeup {
  readonly #clock: Clock
  #pending = false
  #resolve: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wake(): void {
    if (this.#resolve) this.#resolve()
    else this.#pending = true
  }

  /** Resolves at the next wake-up, or at `until` on the clock. */
  async wait(until: number): Promise<void> {
    if (this.#pending) {
      this.#pending = false
      return
    }
    let cancel: Cancel | undefined
    await new Promise<void>((resolve) => {
      this.#resolve = resolve
      if (until !== Number.POSITIVE_INFINITY) cancel = this.#clock.after(until - this.#clock.now(), resolve)
    })
    this.#resolve = undefined
    this.#pending = false
    cancel?.()
  }
}
