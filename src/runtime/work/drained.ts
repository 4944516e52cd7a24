import type { Clock } from '../../clock.ts'
import type { Broker, TopicPartition } from '../broker.ts'
import { partitionKey } from '../partitions.ts'
import type { Task } from '../tasks/task.ts'
import type { TaskManager } from '../tasks/task-manager.ts'
import { Deadline } from './deadline.ts'

/** What is enough to be drained. */
export interface DrainScope {
  /** False: what is processed is enough, and nothing is committed. Default true. */
  readonly commit?: boolean
  /** True: records may be left that wait for an idle partition. Default false. */
  readonly mayIdle?: boolean
}

export interface DrainedOptions extends DrainScope {
  readonly manager: TaskManager
  readonly broker: Broker
  readonly clock: Clock
  /** How long a look may wait for what is not committed yet. */
  readonly deadlineMs: number
}

/** Every record that is in the log is processed and committed, as far as this instance owns it: without a task it owns nothing. */
export async function isDrained(options: DrainedOptions): Promise<boolean> {
  const { manager, clock, deadlineMs, commit = true } = options
  if (!(await isAtEnd(options))) return false
  if (!commit) return true
  using deadline = new Deadline(clock, deadlineMs)
  const committed = await Promise.all(manager.tasks.map((task) => task.commitAll(deadline.signal)))
  // Looks twice, because a commit may have sent something to an internal topic that another task reads, and holds.
  const hasWork = (task: Task) => task.hasWork && !mayBeLeft(task, options)
  return !committed.includes(false) && (await isAtEnd(options)) && !manager.tasks.some(hasWork)
}

async function isAtEnd({ manager, broker, ...scope }: DrainedOptions): Promise<boolean> {
  if (!manager.assigned || manager.tasks.length === 0) return manager.assigned
  const ends = await broker.offsets(manager.tasks.flatMap((task) => task.partitions))
  const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
  const endOf = (partition: TopicPartition) => latest.get(partitionKey(partition))
  const isDone = (task: Task) =>
    mayBeLeft(task, scope) ? task.inputs.hasFetched(endOf) : task.caughtUp && task.hasReached(endOf)
  return manager.assigned && manager.tasks.every(isDone)
}

function mayBeLeft({ inputs }: Task, { mayIdle = false }: DrainScope): boolean {
  return mayIdle && inputs.idlesUntil !== undefined
}
