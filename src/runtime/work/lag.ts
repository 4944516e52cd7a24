import type { Cancel, Clock } from '../../clock.ts'
import { reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Broker, PartitionOffsets, TopicPartition } from '../broker.ts'
import type { PartitionLag, RuntimeObserver } from '../observer.ts'
import { partitionKey } from '../partitions.ts'
import type { Task } from '../tasks/task.ts'

export interface LagOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RuntimeObserver
  readonly tasks: () => readonly Task[]
}

/** Where a log ended at some time. */
interface LogEnd {
  readonly at: number
  readonly end: number
}

const everyMs = 5_000
/** Of each partition. When they are full every second one is forgotten: what is long ago needs no more than a rough time. */
const maxEnds = 64

/**
 * Looks every few seconds how far the commits are behind the log, as long as an observer wants to know. The delay in seconds comes from
 * the ends that were seen before, not from timestamps of records: an old record that was written just now is no delay.
 */
export class LagWatch {
  readonly #options: LagOptions
  #ends = new Map<string, LogEnd[]>()
  #cancel: Cancel = () => undefined
  #stopped = false

  constructor(options: LagOptions) {
    this.#options = options
  }

  /** The first look comes at once. */
  start(): void {
    if (this.#options.observer.lagged) void this.#look()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #look(): Promise<void> {
    const { broker, clock, logger, observer, tasks } = this.#options
    try {
      const places = tasks().flatMap((task) => task.partitions)
      const ranges = places.length > 0 ? await broker.offsets(places) : []
      if (this.#stopped) return
      observer.lagged?.(this.#lags(ranges))
    } catch (error) {
      logger.debug({ error: reasonOf(error) }, 'the lag is not known')
    }
    if (!this.#stopped) this.#cancel = clock.after(everyMs, () => void this.#look())
  }

  #lags(ranges: readonly PartitionOffsets[]): PartitionLag[] {
    const now = this.#options.clock.now()
    const committed = new Map(
      this.#options.tasks().flatMap(({ view }) => {
        return [...view.committed].map(([key, position]) => [key, { task: view.id, position }] as const)
      }),
    )
    const known = this.#ends
    this.#ends = new Map()
    return ranges.flatMap((range) => {
      const key = partitionKey(range)
      const { task, position } = committed.get(key) ?? {}
      if (task === undefined || position === undefined) return []
      const ends = withEnd(known.get(key) ?? [], { at: now, end: range.latest })
      this.#ends.set(key, ends)
      return [{ ...placeOf(range), task, ...lagAt(position, ends, now) }]
    })
  }
}

function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

function withEnd(ends: readonly LogEnd[], latest: LogEnd): LogEnd[] {
  const kept = ends.length < maxEnds ? ends : ends.filter((_, at) => at % 2 === 0)
  return [...kept, latest]
}

/** The log went past the position after the last look at which it had not, and before the next: the earlier time is the safe one. */
function lagAt(position: number, ends: readonly LogEnd[], now: number): Pick<PartitionLag, 'records' | 'behindMs'> {
  const records = Math.max(0, (ends.at(-1)?.end ?? 0) - position)
  if (records === 0) return { records, behindMs: 0 }
  const reached = ends.findLast(({ end }) => end <= position) ?? ends[0]
  return { records, behindMs: Math.max(0, now - (reached?.at ?? now)) }
}
