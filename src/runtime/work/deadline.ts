import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'

/** A signal that aborts after a while. Dispose of it to take the timer back. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController()
  readonly #cancel: () => void

  constructor(clock: Clock, afterMs: number) {
    const expired = () => this.#controller.abort(new StreamError('RECORD_TIMEOUT', 'the deadline passed'))
    this.#cancel = clock.after(afterMs, expired)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    this.#cancel()
  }
}
