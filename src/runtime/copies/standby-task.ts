import type { Clock } from '../../clock.ts'
import { isStreamError } from '../../errors.ts'
import { changelogTopic } from '../../state/changelog.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { TaskId } from '../../topology/processor.ts'
import { partitionOf } from '../../topology/task-id.ts'
import type { Broker, TopicPartition } from '../broker.ts'
import { partitionKey } from '../partitions.ts'
import { maxStateAgeMs, restorableStores } from '../tasks/task-states.ts'
import { type Behind, ChangelogDelay } from './changelog-delay.ts'
import type { Permits } from './permits.ts'
import { requirePosition, restoreStore } from './restorer.ts'

export interface StandbyTaskOptions {
  readonly id: TaskId
  readonly application: string
  readonly stores: readonly StoreSpec[]
  /** Open; it belongs to the standby until `stop` has given it back. */
  readonly state: TaskState
  readonly broker: Broker
  readonly clock: Clock
  /** How many standbys read at the same time. */
  readonly reads: Permits
  /** What it cannot go on after. */
  readonly failed: (error: unknown) => void
}

interface Followed extends TopicPartition {
  readonly store: string
}

/** Keeps the stores of a task that another instance owns as that owner has written them to the changelogs. It writes nothing but them. */
export class StandbyTask {
  readonly id: TaskId
  readonly changelogs: readonly Followed[]
  readonly #options: StandbyTaskOptions
  readonly #controller = new AbortController()
  #following: Promise<void> | undefined
  readonly #delays: ReadonlyMap<string, ChangelogDelay>
  #caughtUpAt: number

  constructor(options: StandbyTaskOptions) {
    const { id, application, stores, clock } = options
    this.id = id
    this.#options = options
    this.#caughtUpAt = clock.now()
    this.changelogs = restorableStores(stores).map(({ name }) => {
      return { store: name, topic: changelogTopic(application, name), partition: partitionOf(id) }
    })
    this.#delays = new Map(this.changelogs.map(({ store }) => [store, new ChangelogDelay()]))
  }

  /** What it has read of the changelogs, to look at. */
  get state(): TaskState {
    return this.#options.state
  }

  /** Stores in memory, and those that copy a topic, come to life with the task. */
  follows(store: string): boolean {
    return this.#delays.has(store)
  }

  /** Of one store. Undefined while it is not known. */
  behind(store: string): Behind | undefined {
    const { state, clock } = this.#options
    return this.#delays.get(store)?.behind(state.position(store) ?? 0, clock.now())
  }

  /** The changelogs ended there when it was asked, at that time on the clock. */
  see(at: number, ends: ReadonlyMap<string, number>): void {
    for (const place of this.changelogs) this.#delays.get(place.store)?.see(at, endOf(place, ends))
  }

  /** Offsets between what each store holds and these ends of the changelogs. */
  lags(ends: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    return new Map(
      this.changelogs.map((place) => [place.store, Math.max(0, endOf(place, ends) - this.#position(place))]),
    )
  }

  /** Reads on up to the end, in the background; while it does, further calls are ignored. */
  follow(ends: ReadonlyMap<string, number>): void {
    if (this.#following || this.#controller.signal.aborted) return
    const isBehind = this.changelogs.some((place) => endOf(place, ends) !== this.#position(place))
    if (!isBehind) {
      this.#caughtUpAt = this.#options.clock.now()
      return
    }
    const { reads, failed } = this.#options
    const { signal } = this.#controller
    this.#following = reads
      .using(() => this.#readOn(ends), signal)
      .catch((error: unknown) => {
        if (!signal.aborted) failed(error)
      })
      .finally(() => {
        this.#following = undefined
      })
  }

  /** The stores as they are now, for a task, or to be closed. Nothing is written to them any more. */
  async stop(): Promise<TaskState> {
    this.#controller.abort(new Error('the standby is stopped'))
    await this.#following
    await this.#wipeWhenStale()
    return this.#options.state
  }

  async #readOn(ends: ReadonlyMap<string, number>): Promise<void> {
    const { state, broker } = this.#options
    const { signal } = this.#controller
    await this.#wipeWhenStale()
    try {
      for (const { store, ...changelog } of this.changelogs) {
        requirePosition(state, store, endOf(changelog, ends))
        await restoreStore({ store, changelog, state, broker, signal, restored: () => undefined })
      }
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error
      // Another changelog than the one that was followed: it is read from the start, when the ends are known again.
      await state.wipe()
    }
  }

  /** Deletions may have been compacted out of the changelog since: what it still has would not bring them. */
  async #wipeWhenStale(): Promise<void> {
    const { clock, state } = this.#options
    if (clock.now() - this.#caughtUpAt <= maxStateAgeMs) return
    await state.wipe()
    this.#caughtUpAt = clock.now()
  }

  #position({ store }: Followed): number {
    return this.#options.state.position(store) ?? 0
  }
}

function endOf(place: TopicPartition, ends: ReadonlyMap<string, number>): number {
  return ends.get(partitionKey(place)) ?? 0
}
