import type { Clock } from '../../clock.ts'
import type { StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { TaskId } from '../../topology/processor.ts'

const everyMs = 10_000

/** Says that records of a task are tried again: at once, then every ten seconds while it goes on. */
export class RetryLog {
  readonly #task: TaskId
  readonly #clock: Clock
  readonly #logger: Logger
  #since = 0
  #saidAt = Number.NEGATIVE_INFINITY

  constructor(task: TaskId, clock: Clock, logger: Logger) {
    this.#task = task
    this.#clock = clock
    this.#logger = logger
  }

  note(node: string, error: StreamError): void {
    this.#since++
    const now = this.#clock.now()
    // A clock that was turned back must not silence it.
    if (now >= this.#saidAt && now < this.#saidAt + everyMs) return
    this.#logger.warn({ task: this.#task, node, attempts: this.#since }, `tried again: ${error.message}`)
    this.#since = 0
    this.#saidAt = now
  }
}
