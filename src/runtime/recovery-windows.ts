import type { Clock } from '../clock.ts'
import { reasonOf } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Broker } from './broker.ts'
import type { Task } from './task.ts'
import { partitionKey } from './task-inputs.ts'

export interface RecoveryWindowsOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly everyMs: number
}

/** Closes the recovery window of each task whose position has once equalled the end of its log. */
export class RecoveryWindows {
  readonly #options: RecoveryWindowsOptions
  #lookAt = 0

  constructor(options: RecoveryWindowsOptions) {
    this.#options = options
  }

  /** When to look next, on the clock. */
  nextDue(tasks: readonly Task[]): number {
    return tasks.some((task) => task.recovering) ? this.#lookAt : Number.POSITIVE_INFINITY
  }

  /** Asks for the log end on behalf of the tasks inside their windows, once an interval. */
  async close(tasks: readonly Task[]): Promise<void> {
    const { broker, clock, logger, everyMs } = this.#options
    const recovering = tasks.filter((task) => task.recovering)
    const waitMs = this.#lookAt - clock.now()
    // Longer than an interval is what a clock that was turned back makes of it.
    if (recovering.length === 0 || (waitMs > 0 && waitMs <= everyMs)) return
    this.#lookAt = clock.now() + everyMs
    try {
      const ends = await broker.offsets(recovering.flatMap((task) => task.partitions))
      const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
      for (const task of recovering) {
        if (task.hasReached((partition) => latest.get(partitionKey(partition)))) task.closeWindow()
      }
    } catch (error) {
      // The window stays open: a look too many, nothing worse.
      logger.warn({ error: reasonOf(error) }, 'the log end is not known')
    }
  }
}
