import type { Clock } from '../../clock.ts'
import { isStreamError, reasonOf, StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { GlobalState } from '../../state/global-state.ts'
import { openLevelStore } from '../../state/level-store.ts'
import { memoryStore } from '../../state/memory-store.ts'
import { openStateDirectory, type StateDirectory, type StateFolder } from '../../state/state-directory.ts'
import type { ByteStore, StoreSpec } from '../../state/store.ts'
import { TaskState } from '../../state/task-state.ts'
import type { TaskId } from '../../topology/processor.ts'
import { closeAll } from '../close-all.ts'
import type { TaskEnd } from './task-manager.ts'

export interface TaskStatesOptions {
  readonly stateDirectory: string
  readonly application: string
  /** Keep all stores in memory, to be restored from the changelogs. */
  readonly inMemory: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** Half of `delete.retention.ms`, for which a changelog keeps deletions (Kafka's default: a day). */
export const maxStateAgeMs = 12 * 60 * 60 * 1000

/** How often the state directory notes that its tasks still follow their changelogs. */
const touchMs = 60_000

/** The stores of this instance's tasks and standbys, each open once: on disk in the state directory, or in memory. */
export class TaskStates {
  readonly #directory: StateDirectory | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #open = new Map<TaskId, { readonly state: TaskState; readonly stores: readonly StoreSpec[] }>()
  readonly #opening = new Set<Promise<TaskState>>()
  #isClosed = false
  #cancelTouch: () => void = () => undefined

  private constructor(directory: StateDirectory | undefined, { clock, logger }: TaskStatesOptions) {
    this.#directory = directory
    this.#clock = clock
    this.#logger = logger
    if (directory) this.#touchLater(directory)
  }

  /** Throws STATE_LOCKED, STATE_FORMAT, STATE_IO. */
  static async open(options: TaskStatesOptions): Promise<TaskStates> {
    const { stateDirectory, application, clock, inMemory } = options
    const directory = inMemory ? undefined : await openStateDirectory(stateDirectory, application, { clock })
    return new TaskStates(directory, options)
  }

  /** Stores that have a folder outlive the process. */
  get areOnDisk(): boolean {
    return this.#directory !== undefined
  }

  /** How far this machine has come in the changelogs of each task, open or not. */
  positions(): Map<TaskId, number> {
    const free = this.#directory?.positions(maxStateAgeMs) ?? []
    return new Map<TaskId, number>([...free, ...this.#openPositions()])
  }

  /** Wipes what is too old for its changelogs, and what cannot be read. */
  async open(id: TaskId, stores: readonly StoreSpec[]): Promise<TaskState> {
    if (this.#isClosed)
      throw new StreamError('BROKER_CLOSED', `the stores of task ${id} cannot be opened: the runtime is closed`)
    const opening = this.#directory
      ? this.#openOnDisk(id, this.#directory, (openDisk) => TaskState.open({ stores, openDisk }))
      : openInMemory(stores)
    this.#opening.add(opening)
    try {
      const state = await opening
      this.#open.set(id, { state, stores })
      return state
    } finally {
      this.#opening.delete(opening)
    }
  }

  /** The rows of the global tables, once. Wipes what is too old for the topics, and what cannot be read. */
  async openGlobal(stores: readonly StoreSpec[]): Promise<GlobalState> {
    const openDisk = async () => memoryStore()
    if (!this.#directory) return GlobalState.open({ stores, openDisk })
    return this.#openOnDisk('global', this.#directory, (open) => GlobalState.open({ stores, openDisk: open }))
  }

  /** They are closed. */
  async releasedGlobal(): Promise<void> {
    await this.#directory?.release('global', 'clean')
  }

  /** The state is closed. A store that cannot be trusted is removed; the changelog restores it. */
  async released(id: TaskId, end: TaskEnd): Promise<void> {
    const position = end === 'corrupt' ? undefined : this.#openPositions().get(id)
    this.#open.delete(id)
    if (end === 'corrupt') await this.#directory?.remove(id)
    await this.#directory?.release(id, end === 'clean' ? 'clean' : 'unclean', position)
  }

  /** A state that was opened while its instance was closing has no owner any more; one that is being opened is waited for. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTouch()
    while (this.#opening.size > 0) await Promise.allSettled(this.#opening)
    const left = [...this.#open.values()]
    this.#open.clear()
    await closeAll([
      ...left.map(
        ({ state }) =>
          () =>
            state.close(),
      ),
      async () => this.#directory?.close(),
    ])
  }

  /** What is to be in the folder is opened; wiped before, where it cannot be trusted. */
  async #openOnDisk<T>(
    folder: StateFolder,
    directory: StateDirectory,
    open: (openDisk: () => Promise<ByteStore>) => Promise<T>,
  ): Promise<T> {
    const { path, ageMs, left } = await directory.acquire(folder)
    const openDisk = () => openLevelStore(path)
    // Deletions may have been compacted out of the changelog since: a tail would not bring them.
    if (left !== 'none' && ageMs > maxStateAgeMs) await directory.remove(folder)
    try {
      return await open(openDisk)
    } catch (error) {
      if (!isStreamError(error) || error.reaction !== 'restore') throw error
      this.#logger.warn({ task: folder }, `the state is wiped and restored: ${error.message}`)
      await directory.remove(folder)
      return open(openDisk)
    }
  }

  #openPositions(): Map<TaskId, number> {
    return new Map([...this.#open].map(([id, { state, stores }]) => [id, positionOf(state, stores)]))
  }

  #touchLater(directory: StateDirectory): void {
    this.#cancelTouch = this.#clock.after(touchMs, () => {
      directory
        .touch(this.#openPositions())
        .catch((error: unknown) =>
          this.#logger.warn({ error: reasonOf(error) }, 'the state directory cannot be touched'),
        )
      this.#touchLater(directory)
    })
  }
}

/** The stores that a restart finds again on disk, and that a changelog completes. */
export function restorableStores(stores: readonly StoreSpec[]): StoreSpec[] {
  return stores.filter(({ changelog = true, storage }) => changelog && storage !== 'memory')
}

/** Of all stores together. It grows with every record that is restored or written, and compares two copies of a task. */
function positionOf(state: TaskState, stores: readonly StoreSpec[]): number {
  return restorableStores(stores).reduce((sum, { name }) => sum + (state.position(name) ?? 0), 0)
}

function openInMemory(stores: readonly StoreSpec[]): Promise<TaskState> {
  return TaskState.open({
    stores: stores.map((spec) => ({ ...spec, storage: 'memory' })),
    openDisk: async () => memoryStore(),
  })
}
