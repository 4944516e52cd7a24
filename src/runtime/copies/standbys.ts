import { type Clock, delay } from '../../clock.ts'
import type { RuntimeSettings } from '../../config.ts'
import { isStreamError, reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { TaskId } from '../../topology/processor.ts'
import { subtopologyOf } from '../../topology/task-id.ts'
import type { Topology } from '../../topology/topology.ts'
import type { Broker } from '../broker.ts'
import { closeAll } from '../close-all.ts'
import type { RuntimeObserver } from '../observer.ts'
import { partitionKey } from '../partitions.ts'
import type { TaskEnd } from '../tasks/task-manager.ts'
import type { TaskStates } from '../tasks/task-states.ts'
import { Permits } from './permits.ts'
import { StandbyTask } from './standby-task.ts'

export interface StandbysOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  readonly states: TaskStates
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RuntimeObserver
}

/** Standbys that read at the same time: what is left of the machine belongs to the tasks. */
const maxReads = 2

const longestPollMs = 1_000

/**
 * The standbys of this instance. Changes to them happen one after the other; a fault of one ends that one, with a line in the log: its
 * owner works on, and a take-over restores what is missing.
 */
export class Standbys {
  readonly #options: StandbysOptions
  readonly #pollMs: number
  readonly #tasks = new Map<TaskId, StandbyTask>()
  readonly #reads = new Permits(maxReads)
  readonly #controller = new AbortController()
  #changes: Promise<void> = Promise.resolve()
  #polling: Promise<void> | undefined

  constructor(options: StandbysOptions) {
    this.#options = options
    this.#pollMs = Math.min(options.settings.commitIntervalMs, longestPollMs)
  }

  get ids(): readonly TaskId[] {
    return [...this.#tasks.keys()]
  }

  /** The standby of a task; undefined when there is none. */
  of(id: TaskId): StandbyTask | undefined {
    return this.#tasks.get(id)
  }

  /** Follows these tasks from now on, and no others. Returns at once. */
  assign(ids: readonly TaskId[]): void {
    if (!this.#options.states.areOnDisk) return
    void this.#change(async () => {
      for (const task of [...this.#tasks.values()]) if (!ids.includes(task.id)) await this.#drop(task)
      for (const id of ids) if (!this.#tasks.has(id)) await this.#open(id)
      if (this.#tasks.size > 0) this.#polling ??= this.#poll()
    })
  }

  /** The open stores of a standby whose task comes to this instance; undefined when there is none. */
  async take(id: TaskId): Promise<TaskState | undefined> {
    const taken = Promise.withResolvers<TaskState | undefined>()
    await this.#change(async () => {
      const task = this.#tasks.get(id)
      this.#tasks.delete(id)
      // What goes wrong is told to the task, which cannot start.
      taken.resolve(task?.stop())
      await taken.promise.catch(() => undefined)
    })
    return taken.promise
  }

  /** A look that a broker keeps waiting is left behind: it has nothing to tell any more. */
  async close(): Promise<void> {
    this.#controller.abort()
    await this.#change(async () => {
      await closeAll([...this.#tasks.values()].map((task) => () => this.#drop(task)))
    })
  }

  /** One at a time; a failure is told, and the next change goes on. */
  #change(action: () => Promise<void>): Promise<void> {
    this.#changes = this.#changes.then(action).catch((error: unknown) => {
      this.#options.logger.warn({ error: reasonOf(error) }, 'the standbys could not be changed')
    })
    return this.#changes
  }

  async #open(id: TaskId): Promise<void> {
    const { topology, settings, states, broker, clock, logger } = this.#options
    if (this.#controller.signal.aborted) return
    try {
      const { stores } = subtopologyOf(topology, id)
      const state = await states.open(id, stores)
      const failed = (error: unknown) => this.#failed(task, error)
      const { application } = settings
      const task = new StandbyTask({ id, application, stores, state, broker, clock, reads: this.#reads, failed })
      this.#tasks.set(id, task)
    } catch (error) {
      logger.warn({ task: id, error: reasonOf(error) }, 'a standby could not be opened')
    }
  }

  /** It holds what it has read, which need not be all. */
  async #drop(task: StandbyTask, end: TaskEnd = 'unclean'): Promise<void> {
    if (this.#tasks.get(task.id) !== task) return
    this.#tasks.delete(task.id)
    const state = await task.stop()
    await closeAll([() => state.close(), () => this.#options.states.released(task.id, end)])
  }

  async #poll(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#controller
    while (this.#tasks.size > 0 && !signal.aborted) {
      await this.#look()
      await delay(clock, this.#pollMs, signal).catch(() => undefined)
    }
    this.#polling = undefined
  }

  async #look(): Promise<void> {
    const { broker, observer, logger, clock } = this.#options
    const tasks = [...this.#tasks.values()]
    const at = clock.now()
    try {
      const ranges = await broker.offsets(tasks.flatMap(({ changelogs }) => changelogs))
      if (this.#controller.signal.aborted) return
      const ends = new Map(ranges.map((range) => [partitionKey(range), range.latest]))
      for (const task of tasks) {
        task.see(at, ends)
        const lags = task.lags(ends)
        const lag = [...lags.values()].reduce((sum, own) => sum + own, 0)
        observer.standby?.({ task: task.id, lag, lags })
        task.follow(ends)
      }
    } catch (error) {
      if (this.#controller.signal.aborted) return
      logger.warn({ error: reasonOf(error) }, 'the standbys do not know how far the changelogs have come')
    }
  }

  #failed(task: StandbyTask, error: unknown): void {
    const { logger } = this.#options
    const reaction = isStreamError(error) ? error.reaction : 'fatal'
    logger.warn({ task: task.id, error: reasonOf(error) }, 'a standby could not follow its changelogs')
    // What passes is tried again with the next look.
    if (reaction === 'retry') return
    void this.#change(() => this.#drop(task, reaction === 'restore' ? 'corrupt' : 'unclean'))
  }
}
