import type { Clock } from '../clock.ts'
import type { Broker } from './broker.ts'
import { Deadline } from './deadline.ts'
import type { Task } from './task.ts'
import { partitionKey } from './task-inputs.ts'
import type { TaskManager } from './task-manager.ts'

export interface DrainedOptions {
  readonly manager: TaskManager
  readonly broker: Broker
  readonly clock: Clock
  /** False: what is processed is enough. */
  readonly commit: boolean
  /** How long a look may wait for what is not committed yet. */
  readonly deadlineMs: number
}

/** Every record that is in the log is processed, and committed unless that is not asked for, as far as this instance owns it: without a task it owns nothing. */
export async function isDrained(options: DrainedOptions): Promise<boolean> {
  const { manager, clock, deadlineMs, commit } = options
  if (!(await isAtEnd(options))) return false
  if (!commit) return true
  using deadline = new Deadline(clock, deadlineMs)
  const committed = await Promise.all(manager.tasks.map((task) => task.commitAll(deadline.signal)))
  // Looks twice, because a commit may have sent something to an internal topic that another task reads, and holds.
  return !committed.includes(false) && (await isAtEnd(options)) && !manager.tasks.some((task) => task.hasWork)
}

async function isAtEnd({ manager, broker }: DrainedOptions): Promise<boolean> {
  if (!manager.assigned || manager.tasks.length === 0) return manager.assigned
  const ends = await broker.offsets(manager.tasks.flatMap((task) => task.partitions))
  const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
  const isDone = (task: Task) => task.caughtUp && task.hasReached((partition) => latest.get(partitionKey(partition)))
  return manager.assigned && manager.tasks.every(isDone)
}
