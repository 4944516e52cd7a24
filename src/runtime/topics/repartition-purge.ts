import { type Clock, delay } from '../../clock.ts'
import { isStreamError, reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Broker, StartPosition } from '../broker.ts'
import type { Positions } from '../nodes/generation.ts'
import { partitionKey } from '../partitions.ts'
import type { Task } from '../tasks/task.ts'

export interface RepartitionPurgeOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly tasks: () => readonly CommittingTask[]
}

/** What there is to know of a task. */
type CommittingTask = Pick<Task, 'partitions' | 'view'>

const everyMs = 10 * 60_000
/** So many looks later what was committed is deleted: an hour, in which dead letters can be put back and records be looked at. */
const keptLooks = 6

/**
 * Deletes from the topics between sub-topologies what was committed an hour ago: nobody else reads them, and they keep their records until
 * then, however long it takes. Does nothing where the log offers no deletion. What fails is tried again the next time; without the right to
 * delete that is said once, and the topics grow.
 */
export class RepartitionPurge {
  readonly #options: RepartitionPurgeOptions
  readonly #controller = new AbortController()
  /** What was committed at the last looks, the oldest first. */
  readonly #looks: Positions[] = []
  /** Up to where records were deleted, by partition. */
  readonly #purged = new Map<string, number>()

  constructor(options: RepartitionPurgeOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#options.broker.admin) void this.#run()
  }

  /** A request that is under way is left behind: what it deletes is not needed any more. */
  stop(): void {
    this.#controller.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    for (let isAllowed = true; isAllowed && !signal.aborted; ) {
      await delay(this.#options.clock, everyMs, signal).catch(() => undefined)
      if (!signal.aborted)
        isAllowed = await this.#purge().then(
          () => true,
          (error) => this.#isAllowed(error),
        )
    }
  }

  /** False when it is of no use to try again. */
  #isAllowed(error: unknown): boolean {
    const isDenied = isStreamError(error) && error.code === 'BROKER_DENIED'
    const fact = isDenied ? notAllowed : 'the topics between sub-topologies are not purged'
    if (!this.#controller.signal.aborted) this.#options.logger.warn({ error: reasonOf(error) }, fact)
    return !isDenied
  }

  async #purge(): Promise<void> {
    const { tasks, broker } = this.#options
    const places = tasks().flatMap(({ partitions }) => partitions.filter(({ node }) => node.internal))
    const committed = new Map(tasks().flatMap(({ view }) => [...view.committed]))
    this.#looks.push(committed)
    const longAgo = this.#looks.length > keptLooks ? this.#looks.shift() : undefined
    const before = places.flatMap((place): StartPosition[] => {
      const offset = longAgo?.get(partitionKey(place)) ?? 0
      const isNew = offset > (this.#purged.get(partitionKey(place)) ?? 0)
      return isNew ? [{ topic: place.topic, partition: place.partition, offset }] : []
    })
    if (before.length === 0) return
    await broker.admin?.deleteRecords(before)
    for (const place of before) this.#purged.set(partitionKey(place), place.offset)
  }
}

const notAllowed =
  'the user may not delete records of the topics between sub-topologies, so they grow: allow Delete on topics whose names begin with that of ' +
  'the application'
