import type { Clock } from '../../clock.ts'
import { reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Broker, TopicPartition } from '../broker.ts'
import { partitionKey } from '../partitions.ts'
import type { Task } from '../tasks/task.ts'
import type { TaskInputs } from '../tasks/task-inputs.ts'

export interface RecoveryWindowsOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly everyMs: number
}

/**
 * Asks where logs end, on behalf of tasks: closes the recovery window of each whose position has once equalled the end of its log, and
 * tells those that read several partitions how far to wait for each.
 */
export class RecoveryWindows {
  readonly #options: RecoveryWindowsOptions
  /** Who was asked for and has not been told yet. */
  readonly #asked = new WeakSet<TaskInputs>()
  #lookAt = 0

  constructor(options: RecoveryWindowsOptions) {
    this.#options = options
  }

  /** When to look next, on the clock. */
  nextDue(tasks: readonly Task[]): number {
    return tasks.some(needsEnds) ? this.#lookAt : Number.POSITIVE_INFINITY
  }

  /** Somebody waits for what it finds: the next call of `close` looks, due or not. */
  hurry(): void {
    this.#lookAt = 0
  }

  /** Looks once an interval, and at once for a task that was not asked for yet and takes nothing until then. */
  async close(tasks: readonly Task[]): Promise<void> {
    const { broker, clock, logger, everyMs } = this.#options
    const asking = tasks.filter(needsEnds)
    const isUrgent = asking.some((task) => task.inputs.awaitsLogEnds && !this.#asked.has(task.inputs))
    const waitMs = this.#lookAt - clock.now()
    // Longer than an interval is what a clock that was turned back makes of it.
    if (asking.length === 0 || (!isUrgent && waitMs > 0 && waitMs <= everyMs)) return
    this.#lookAt = clock.now() + everyMs
    for (const task of asking) this.#asked.add(task.inputs)
    try {
      const ends = await broker.offsets(asking.flatMap((task) => task.partitions))
      const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
      const endOf = (partition: TopicPartition) => latest.get(partitionKey(partition))
      for (const task of asking) {
        this.#tell(task, endOf)
        if (task.recovering && task.hasReached(endOf)) task.closeWindow()
      }
    } catch (error) {
      // The window stays open: a look too many, nothing worse. Who waits for the ends waits on, as the log is down.
      logger.warn({ error: reasonOf(error) }, 'the log end is not known')
    }
  }

  #tell({ inputs }: Task, endOf: (partition: TopicPartition) => number | undefined): void {
    if (inputs.awaitsLogEnds) inputs.learnEnds(endOf)
    if (!inputs.awaitsLogEnds) this.#asked.delete(inputs)
  }
}

function needsEnds(task: Task): boolean {
  return task.recovering || task.inputs.awaitsLogEnds
}
