import type { Cancel, Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Broker } from '../broker.ts'
import { partitionKey } from '../partitions.ts'
import type { Task } from '../tasks/task.ts'

export interface WatchdogOptions {
  readonly broker: Broker
  readonly clock: Clock
  /** The topics that are read: a look at them tells whether the broker answers. */
  readonly topics: readonly string[]
  /** How long a task that has something to do may get nowhere. */
  readonly deadlineMs: number
  /** The group has said what is ours. */
  readonly assigned: () => boolean
  readonly tasks: () => readonly Task[]
  /** The user wants nothing to be taken. */
  readonly paused: () => boolean
  readonly failed: (error: StreamError) => void
}

interface Sighting {
  readonly steps: number
  readonly since: number
}

/** How many looks fit into the deadline. */
const looks = 5

/**
 * Finds what nobody else reports: a consumer that has stopped fetching, a loop that has stopped working, a commit or a rebalance that never
 * ends. Waiting for others is not its business, nor is a broker that does not answer.
 */
export class Watchdog {
  readonly #options: WatchdogOptions
  #sightings = new Map<Task, Sighting>()
  #unassignedSince: number | undefined
  #cancel: Cancel = () => undefined
  #stopped = false

  constructor(options: WatchdogOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, deadlineMs } = this.#options
    if (this.#stopped) return
    this.#cancel = clock.after(deadlineMs / looks, () => void this.#look())
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #look(): Promise<void> {
    const error = await this.#stall().catch(() => this.#forget())
    if (!error) this.start()
    else if (!this.#stopped) this.#options.failed(error)
  }

  /** Time is counted only while the broker answers. */
  async #stall(): Promise<StreamError | undefined> {
    const { broker, tasks, topics, assigned, paused } = this.#options
    await broker.topics(topics)
    if (paused()) return this.#forget()
    const running = tasks().filter((task) => task.running)
    const places = running.flatMap((task) => task.partitions)
    const ends = places.length > 0 ? await broker.offsets(places) : []
    const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
    const isBehind = (task: Task) => !task.hasReached((partition) => latest.get(partitionKey(partition)))
    const stuck = this.#stuck(running.filter((task) => !task.waitsForOthers && (task.hasWork || isBehind(task))))
    if (stuck)
      return stalled(`task ${stuck.id} has got nowhere for ${this.#options.deadlineMs} ms${whyOf(stuck)}`, {
        task: stuck.id,
      })
    return this.#isUnassigned(assigned())
      ? stalled(`the group has assigned nothing for ${this.#options.deadlineMs} ms`, {})
      : undefined
  }

  /** The task that was seen at the same step for longer than the deadline. */
  #stuck(suspects: readonly Task[]): Task | undefined {
    const now = this.#options.clock.now()
    const before = this.#sightings
    this.#sightings = new Map(
      suspects.map((task) => {
        const seen = before.get(task)
        // A clock that was turned back begins the count anew.
        const isSame = seen?.steps === task.steps && seen.since <= now
        return [task, isSame ? seen : { steps: task.steps, since: now }]
      }),
    )
    return suspects.find((task) => now - (this.#sightings.get(task)?.since ?? now) >= this.#options.deadlineMs)
  }

  #isUnassigned(assigned: boolean): boolean {
    const now = this.#options.clock.now()
    if (assigned) this.#unassignedSince = undefined
    else this.#unassignedSince = Math.min(this.#unassignedSince ?? now, now)
    return now - (this.#unassignedSince ?? now) >= this.#options.deadlineMs
  }

  #forget(): undefined {
    this.#sightings.clear()
    this.#unassignedSince = undefined
  }
}

function whyOf({ inputs: { behind } }: Task): string {
  return behind
    ? `: its records wait for those of ${behind.topic}-${behind.partition}, which are not delivered`
    : ', though it has records'
}

function stalled(fact: string, details: Readonly<Record<string, unknown>>): StreamError {
  return new StreamError('PROCESSING_STALLED', fact, { details })
}
