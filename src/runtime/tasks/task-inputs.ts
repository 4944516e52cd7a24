import type { SourceNode } from '../../topology/topology.ts'
import type { CommitOffset, ReadBatch, StartPosition, TopicPartition } from '../broker.ts'
import { encodeMark, type RecoveryMark } from '../commit/recovery-mark.ts'
import type { Positions } from '../nodes/generation.ts'
import { partitionKey } from '../partitions.ts'
import { PartitionQueue, type QueueHead } from './partition-queue.ts'
import type { PreparationOptions } from './preparation.ts'

/** A partition that a task reads, with the place to start from. */
export interface TaskPartition extends TopicPartition {
  readonly node: SourceNode
  readonly offset: number
  /** The largest timestamp before that, milliseconds. Default -1: nobody knows. */
  readonly time?: number
}

interface Input {
  readonly partition: TaskPartition
  readonly queue: PartitionQueue
  paused: boolean
  /** Where its log ends, as far as is known; undefined until that was asked. */
  end: number | undefined
  /** Since when, on the clock, it has nothing while others have, and was at the end of its log. */
  emptySince: number | undefined
  /** When it came to have a record to offer, counted over all of them. */
  turn: number
}

export interface TaskInputsOptions extends PreparationOptions {
  readonly maxQueuedBytes: number
  /** How long an empty partition that is at the end of its log holds the others back; below 0 none ever does. */
  readonly maxTaskIdleMs: number
  /** Of this owner; goes into the marks. */
  readonly epoch: number | undefined
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
}

/** A record that was taken, and where it came from. */
export interface TakenRecord {
  readonly partition: TaskPartition
  readonly head: QueueHead
}

/** The partitions of one task: what was fetched of each, bounded by pausing it, and which record comes next. */
export class TaskInputs {
  readonly #inputs: readonly Input[]
  readonly #options: TaskInputsOptions
  /** The times of the partitions at these positions. */
  readonly #times = new WeakMap<Positions, readonly number[]>()
  #idlesUntil: number | undefined
  #behind: TaskPartition | undefined
  #turns = 0

  constructor(partitions: readonly TaskPartition[], options: TaskInputsOptions) {
    this.#options = options
    this.#inputs = partitions.map((partition) => ({
      partition,
      queue: new PartitionQueue(partition.node.source, partition.offset, options, partition.time),
      paused: false,
      end: undefined,
      emptySince: undefined,
      turn: 0,
    }))
  }

  get empty(): boolean {
    return this.#inputs.every(({ queue }) => queue.length === 0)
  }

  /** The next record of a partition waits for what its serde needs: without its time nobody knows which one comes next. */
  get isPreparing(): boolean {
    return this.#inputs.some(({ queue }) => queue.isPreparing)
  }

  /**
   * Nothing is taken before it is known where the logs end: of several partitions, one that is behind must not be passed by. Ask, and
   * call `learnEnds`.
   */
  get awaitsLogEnds(): boolean {
    const { maxTaskIdleMs } = this.#options
    return maxTaskIdleMs >= 0 && this.#inputs.length > 1 && this.#inputs.some(({ end }) => end === undefined)
  }

  /** Until when, on the clock, records wait for a partition that has none; undefined when they do not. */
  get idlesUntil(): number | undefined {
    return this.#idlesUntil
  }

  /** The partition that holds the others back because its log has more than was fetched; undefined when none does. */
  get behind(): TopicPartition | undefined {
    return this.#behind
  }

  /** Fetched and not taken, of all partitions. */
  get bytes(): number {
    return this.#inputs.reduce((sum, { queue }) => sum + queue.bytes, 0)
  }

  /** Where each partition goes on. */
  get positions(): Positions {
    const positions = new Map(
      this.#inputs.map(({ partition, queue }) => [partitionKey(partition), queue.position] as const),
    )
    this.#times.set(
      positions,
      this.#inputs.map(({ queue }) => queue.time),
    )
    return positions
  }

  /** Positions that `positions` gave, in the form in which they are committed, with the times of the partitions as they were then. */
  offsets(positions: Positions, mark: RecoveryMark): CommitOffset[] {
    const times = this.#times.get(positions)
    return this.#inputs.map(({ partition: { topic, partition }, queue }, index) => ({
      topic,
      partition,
      offset: positions.get(partitionKey({ topic, partition })) ?? queue.position,
      metadata: encodeMark(mark, this.#options.epoch, times?.[index] ?? queue.time),
    }))
  }

  add(partition: TopicPartition, batch: ReadBatch): void {
    const input = this.#inputOf(partition)
    if (!input) return
    this.#idlesUntil = undefined
    if (input.queue.length === 0) input.turn = ++this.#turns
    input.queue.add(batch)
    if (!input.paused && input.queue.bytes > this.#options.maxQueuedBytes) {
      input.paused = true
      this.#options.pause(partition)
    }
  }

  /** Offsets after the last records to be visible. What comes later than this is waited for by time alone, unless `followEnd` tells of it. */
  learnEnds(endOf: (partition: TopicPartition) => number | undefined): void {
    for (const input of this.#inputs) input.end ??= endOf(input.partition)
    this.#options.wake()
  }

  /** Where the log of one ends now. Before `learnEnds` it may be what the log has said before a rebalance, and does not count. */
  followEnd({ offset, ...partition }: StartPosition): void {
    const input = this.#inputOf(partition)
    if (input?.end === undefined || input.end === offset) return
    input.end = offset
    if (this.#behind) this.#options.wake()
  }

  /** Everything up to these offsets was fetched, as far as the bounds have room. */
  hasFetched(endOf: (partition: TopicPartition) => number | undefined): boolean {
    return this.#inputs.every(
      ({ partition, queue, paused }) => paused || queue.fetched >= (endOf(partition) ?? Number.POSITIVE_INFINITY),
    )
  }

  /**
   * The record with the smallest timestamp of all heads, of equal ones that whose turn was the longest time ago; undefined as well while one
   * of them cannot be read yet, and while a partition without records holds the others back.
   */
  take(): TakenRecord | undefined {
    const input = this.#mustWait() ? undefined : this.#oldest()
    const head = input?.queue.take()
    if (!input || !head) return undefined
    input.turn = ++this.#turns
    if (input.paused && input.queue.bytes < this.#options.maxQueuedBytes / 2) {
      input.paused = false
      this.#options.resume(input.partition)
    }
    return { partition: input.partition, head }
  }

  /** Drops what was fetched and not taken. It will come again, of one partition before the other, and behind it what was written meanwhile. */
  clear(): void {
    for (const input of this.#inputs) {
      input.queue.reset(input.queue.position)
      input.paused = false
      input.end = undefined
      input.emptySince = undefined
    }
  }

  #inputOf(partition: TopicPartition): Input | undefined {
    return this.#inputs.find((candidate) => partitionKey(candidate.partition) === partitionKey(partition))
  }

  #oldest(): Input | undefined {
    if (this.#inputs.length === 1) return this.#inputs[0]
    let oldest: Offer | undefined
    for (const input of this.#inputs) {
      const head = input.queue.head()
      if (!head && input.queue.isPreparing) return undefined
      if (!head) continue
      const offer = { input, timestamp: head.kind === 'record' ? head.record.timestamp : head.raw.timestamp }
      if (!oldest || precedes(offer, oldest)) oldest = offer
    }
    return oldest?.input
  }

  /** As in Kafka Streams: while the log of an empty partition is known to have more, then for so long as an idle one is waited for. */
  #mustWait(): boolean {
    const { maxTaskIdleMs } = this.#options
    this.#idlesUntil = undefined
    this.#behind = undefined
    if (maxTaskIdleMs < 0 || this.#inputs.length === 1 || this.empty) return false
    let idles = false
    for (const input of this.#inputs) {
      if (input.queue.length > 0) input.emptySince = undefined
      else if (input.queue.position < (input.end ?? Number.POSITIVE_INFINITY)) this.#behind = input.partition
      else if (maxTaskIdleMs > 0 && this.#idles(input)) idles = true
    }
    return idles || this.#behind !== undefined
  }

  #idles(input: Input): boolean {
    const { maxTaskIdleMs, clock } = this.#options
    const now = clock.now()
    // A clock that was turned back would put the end off by as much.
    input.emptySince = Math.min(input.emptySince ?? now, now)
    const until = input.emptySince + maxTaskIdleMs
    if (now >= until) return false
    this.#idlesUntil = Math.min(this.#idlesUntil ?? until, until)
    return true
  }
}

interface Offer {
  readonly input: Input
  readonly timestamp: number
}

function precedes(a: Offer, b: Offer): boolean {
  return a.timestamp === b.timestamp ? a.input.turn < b.input.turn : a.timestamp < b.timestamp
}
