import type { Clock } from '../../clock.ts'
import { isStreamError, reasonOf, type StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { CommitOffset, ReadBatch, StartPosition, TopicPartition } from '../broker.ts'
import { closeAll } from '../close-all.ts'
import { partitionKey } from '../partitions.ts'
import { retrying } from '../retry.ts'
import type { Task } from './task.ts'

/** What a new task starts from. */
export interface TaskStart {
  readonly id: TaskId
  readonly partitions: readonly TopicPartition[]
}

/** How a task ended: everything committed, something left to be replayed, or with a store that cannot be trusted. */
export type TaskEnd = 'clean' | 'unclean' | 'corrupt'

export interface TaskManagerOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** The task that a partition belongs to. */
  readonly taskOf: (partition: TopicPartition) => TaskId
  /** Makes tasks that are not ready yet, with their positions in the log. */
  readonly create: (starts: readonly TaskStart[]) => Promise<Task[]>
  /** Completes the stores of a task, and waits until no predecessor can disturb it. */
  readonly prepare: (task: Task) => Promise<void>
  readonly commitOffsets: (offsets: readonly CommitOffset[]) => Promise<void>
  /** A task is closed. */
  readonly released: (task: Task, end: TaskEnd) => Promise<void>
  readonly failed: (error: StreamError) => void
  readonly stateChanged: () => void
}

/** Which tasks this instance has, and what a rebalance does to them. */
export class TaskManager {
  readonly #options: TaskManagerOptions
  readonly #tasks = new Map<TaskId, Task>()
  readonly #routes = new Map<string, Task>()
  /** Tasks whose suspension was complete: they may go on where they are. */
  readonly #drained = new Set<Task>()
  /** Tasks on their way out; nobody may take their place before they are gone. */
  readonly #releases = new Set<Promise<void>>()
  /** Counts assignments: what was begun under an older one must not start anything. */
  #epoch = 0
  #assigned = false

  constructor(options: TaskManagerOptions) {
    this.#options = options
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()]
  }

  get running(): readonly Task[] {
    return this.tasks.filter((task) => task.running)
  }

  /** The group has said what is ours, and nothing of it is missing here. */
  get assigned(): boolean {
    return this.#assigned
  }

  add(partition: TopicPartition, batch: ReadBatch): void {
    this.#routes.get(partitionKey(partition))?.add(partition, batch)
  }

  /** Where logs end now. */
  learnEnds(ends: readonly StartPosition[]): void {
    for (const end of ends) this.#routes.get(partitionKey(end))?.inputs.followEnd(end)
  }

  /** Keeps what stays, closes what is gone, makes what is new; tasks start after it has returned. */
  async assign(partitions: readonly TopicPartition[]): Promise<readonly StartPosition[]> {
    const epoch = ++this.#epoch
    const wanted = Map.groupBy(partitions, (partition) => this.#options.taskOf(partition))
    const stays = (task: Task) => this.#drained.has(task) && isSame(task, wanted.get(task.id))
    this.#releaseAll(this.tasks.filter((task) => !stays(task)))
    await Promise.all(this.#releases)
    const kept = this.tasks
    const starts = [...wanted].filter(([id]) => !this.#tasks.has(id)).map(([id, own]) => ({ id, partitions: own }))
    const created = await this.#options.create(starts).catch((error: unknown) => {
      if (epoch === this.#epoch) throw error
      return []
    })
    for (const task of created) this.#register(task)
    if (epoch !== this.#epoch) {
      // Closed meanwhile, without waiting for this.
      this.#releaseAll(created)
      return []
    }
    this.#drained.clear()
    this.#assigned = true
    for (const task of kept) void this.#start(task, epoch)
    for (const task of created) void this.#start(task, epoch, () => this.#options.prepare(task))
    this.#options.stateChanged()
    return this.tasks.flatMap((task) => task.offsets('open'))
  }

  /** Commits what gets done in time, and leaves word for the next owners; a task that is not done by then is abandoned. */
  async revoke(signal: AbortSignal): Promise<void> {
    this.#epoch++
    this.#assigned = false
    await Promise.all(
      this.tasks.map(async (task) => {
        const wasRunning = task.running
        if ((await task.suspend(signal)) && wasRunning) this.#drained.add(task)
      }),
    )
    const marks = [...this.#drained].flatMap((task) => task.offsets(task.recovering ? 'quiet' : 'clean'))
    await this.#leaveMarks(marks, signal)
    this.#options.stateChanged()
  }

  /** Drops everything without a commit. */
  async lose(): Promise<void> {
    this.#drained.clear()
    await this.close()
  }

  /** Closes all tasks; nothing is committed any more. */
  async close(): Promise<void> {
    this.#epoch++
    this.#assigned = false
    this.#releaseAll(this.tasks)
    const releases = [...this.#releases]
    await closeAll(releases.map((release) => () => release))
    this.#options.stateChanged()
  }

  /** Drops one task without a commit, for a rejoin or a restart to bring back. */
  async drop(task: Task, end: TaskEnd = 'unclean'): Promise<void> {
    if (this.#tasks.get(task.id) !== task) return
    this.#assigned = false
    await this.#release(task, end)
  }

  /** All stop at once, before the first of them takes its time to close. */
  #releaseAll(tasks: readonly Task[]): void {
    for (const task of tasks) task.abandon()
    for (const task of tasks) this.#release(task, this.#drained.has(task) ? 'clean' : 'unclean').catch(() => undefined)
  }

  #release(task: Task, end: TaskEnd): Promise<void> {
    task.abandon()
    this.#drained.delete(task)
    this.#tasks.delete(task.id)
    for (const partition of task.partitions) this.#routes.delete(partitionKey(partition))
    const release = closeAll([() => task.close(), () => this.#options.released(task, end)])
    this.#releases.add(release)
    const forget = () => void this.#releases.delete(release)
    release.then(forget, forget)
    return release
  }

  #register(task: Task): void {
    this.#tasks.set(task.id, task)
    for (const partition of task.partitions) this.#routes.set(partitionKey(partition), task)
  }

  /** The owner says that it may write to the index before it does: whoever comes next will look there. */
  async #start(task: Task, epoch: number, prepare = async () => {}): Promise<void> {
    const { clock, logger, commitOffsets } = this.#options
    try {
      await prepare()
      const say = () => commitOffsets(task.offsets('open'))
      await retrying(say, { clock, logger, signal: task.signal, what: 'committing the open mark' })
      if (epoch === this.#epoch) task.start()
      this.#options.stateChanged()
    } catch (error) {
      // Who was fenced meanwhile hears of it from the group.
      const isFenced = isStreamError(error) && error.reaction === 'migrate'
      if (epoch === this.#epoch && this.#tasks.get(task.id) === task && !isFenced)
        this.#options.failed(error as StreamError)
    }
  }

  /** Without a mark the next owner looks at the index, which costs a little and loses nothing. */
  async #leaveMarks(marks: readonly CommitOffset[], signal: AbortSignal): Promise<void> {
    const { clock, logger, commitOffsets } = this.#options
    if (marks.length === 0) return
    try {
      // An attempt that is answered too late is refused by the group, which has gone on.
      await before(
        signal,
        retrying(() => commitOffsets(marks), { clock, logger, signal, what: 'committing the marks' }),
      )
    } catch (error) {
      logger.warn({ error: reasonOf(error) }, 'the marks of a hand-over could not be committed')
    }
  }
}

function isSame(task: Task, partitions: readonly TopicPartition[] | undefined): boolean {
  const wanted = new Set(partitions?.map(partitionKey))
  return (
    task.partitions.length === wanted.size && task.partitions.every((partition) => wanted.has(partitionKey(partition)))
  )
}

/** Throws the signal's reason when it aborts first; the work goes on unwatched. */
async function before(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
