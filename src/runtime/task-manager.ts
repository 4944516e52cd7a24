import type { StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { TaskId } from '../topology/processor.ts'
import type { CommitOffset, ReadBatch, StartPosition, TopicPartition } from './broker.ts'
import type { Task } from './task.ts'
import { partitionKey } from './task-inputs.ts'

/** What a new task starts from. */
export interface TaskStart {
  readonly id: TaskId
  readonly partitions: readonly TopicPartition[]
}

export interface TaskManagerOptions {
  readonly logger: Logger
  /** The task that a partition belongs to. */
  readonly taskOf: (partition: TopicPartition) => TaskId
  /** Makes tasks that are not restored yet, with their positions in the log. */
  readonly create: (starts: readonly TaskStart[]) => Promise<Task[]>
  /** Completes the stores of a task. */
  readonly restore: (task: Task) => Promise<void>
  readonly commitOffsets: (offsets: readonly CommitOffset[]) => Promise<void>
  /** A task is closed; `clean` when everything that it took was committed. */
  readonly released: (task: Task, clean: boolean) => Promise<void>
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

  constructor(options: TaskManagerOptions) {
    this.#options = options
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()]
  }

  get running(): readonly Task[] {
    return this.tasks.filter((task) => task.running)
  }

  add(partition: TopicPartition, batch: ReadBatch): void {
    this.#routes.get(partitionKey(partition))?.add(partition, batch)
  }

  /** Keeps what stays, closes what is gone, makes what is new; stores are restored after it has returned. */
  async assigned(partitions: readonly TopicPartition[]): Promise<readonly StartPosition[]> {
    const wanted = Map.groupBy(partitions, (partition) => this.#options.taskOf(partition))
    for (const task of this.tasks) {
      if (!wanted.has(task.id) || !this.#drained.has(task) || !isSame(task, wanted.get(task.id)))
        await this.#release(task)
    }
    const kept = this.tasks
    const starts = [...wanted].filter(([id]) => !this.#tasks.has(id)).map(([id, own]) => ({ id, partitions: own }))
    const created = await this.#options.create(starts)
    for (const task of created) this.#register(task)
    this.#drained.clear()
    if (kept.length > 0) await this.#options.commitOffsets(kept.flatMap((task) => task.offsets('open')))
    for (const task of kept) task.start()
    for (const task of created) void this.#restoreAndStart(task)
    this.#options.stateChanged()
    return this.tasks.flatMap((task) => task.offsets('open'))
  }

  /** Commits what gets done in time. A task without anything beyond its committed offset says so in its mark. */
  async revoked(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.tasks.map(async (task) => {
        const wasRunning = task.running
        if ((await task.suspend(signal)) && wasRunning) this.#drained.add(task)
      }),
    )
    const clean = [...this.#drained].filter((task) => !task.recovering)
    if (clean.length > 0) await this.#options.commitOffsets(clean.flatMap((task) => task.offsets('clean')))
    this.#options.stateChanged()
  }

  /** Drops everything without a commit. */
  async lost(): Promise<void> {
    this.#drained.clear()
    for (const task of this.tasks) await this.#release(task)
    this.#options.stateChanged()
  }

  /** Drops one task without a commit, for a rejoin or a restart to bring back. */
  async drop(task: Task): Promise<void> {
    this.#drained.delete(task)
    await this.#release(task)
  }

  async #release(task: Task): Promise<void> {
    const clean = this.#drained.has(task)
    this.#tasks.delete(task.id)
    for (const partition of task.partitions) this.#routes.delete(partitionKey(partition))
    await task.close()
    await this.#options.released(task, clean)
  }

  #register(task: Task): void {
    this.#tasks.set(task.id, task)
    for (const partition of task.partitions) this.#routes.set(partitionKey(partition), task)
  }

  async #restoreAndStart(task: Task): Promise<void> {
    try {
      await this.#options.restore(task)
      // The owner says that it may write before it does: whoever comes next will look at the index.
      await this.#options.commitOffsets(task.offsets('open'))
      task.start()
      this.#options.stateChanged()
    } catch (error) {
      if (this.#tasks.get(task.id) === task) this.#options.failed(error as StreamError)
    }
  }
}

function isSame(task: Task, partitions: readonly TopicPartition[] | undefined): boolean {
  const wanted = new Set(partitions?.map(partitionKey))
  return (
    task.partitions.length === wanted.size && task.partitions.every((partition) => wanted.has(partitionKey(partition)))
  )
}
