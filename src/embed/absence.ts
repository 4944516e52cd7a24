import type { Clock } from '../clock.ts'

/** What may be given up, and opened again. */
interface Absentee {
  readonly isUsable: boolean
  open(): Promise<unknown>
}

const firstPauseMs = 1_000
const longestPauseMs = 60_000

/**
 * Brings a device back that was given up while others work. It is opened again after a pause of 1 s, which doubles, up to a minute, with
 * every further one: a device that keeps failing shall not cost the others more than it can bring. After a minute of use it begins anew.
 */
export class Absence {
  readonly #device: Absentee
  readonly #clock: Clock
  #pauseMs = firstPauseMs
  /** When it may be opened; undefined as long as it is not known to be absent. */
  #endsAt: number | undefined
  #backAt = Number.NEGATIVE_INFINITY
  #isOpening = false

  constructor(device: Absentee, clock: Clock) {
    this.#device = device
    this.#clock = clock
  }

  /** To be called when there is work; `onBack` is called when the device can do it again. */
  end(onBack: () => void): void {
    if (this.#isOpening) return
    if (this.#device.isUsable) this.#endsAt = undefined
    else if (this.#endsAt === undefined) this.#notice()
    else if (this.#clock.now() >= this.#endsAt) void this.#open(onBack)
  }

  #notice(): void {
    if (this.#clock.now() - this.#backAt > longestPauseMs) this.#pauseMs = firstPauseMs
    this.#begin()
  }

  #begin(): void {
    this.#endsAt = this.#clock.now() + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs)
  }

  async #open(onBack: () => void): Promise<void> {
    this.#isOpening = true
    const isBack = await this.#device.open().then(
      () => true,
      () => false,
    )
    this.#isOpening = false
    if (!isBack) return this.#begin()
    this.#endsAt = undefined
    this.#backAt = this.#clock.now()
    onBack()
  }
}
