import type { SourceNode } from '../topology/topology.ts'
import type { CommitOffset, ReadBatch, TopicPartition } from './broker.ts'
import type { Positions } from './generation.ts'
import { PartitionQueue, type QueueHead } from './partition-queue.ts'
import type { PreparationOptions } from './preparation.ts'
import { encodeMark, type RecoveryMark } from './recovery-mark.ts'

/** A partition that a task reads, with the place to start from. */
export interface TaskPartition extends TopicPartition {
  readonly node: SourceNode
  readonly offset: number
}

interface Input {
  readonly partition: TaskPartition
  readonly queue: PartitionQueue
  paused: boolean
}

export interface TaskInputsOptions extends PreparationOptions {
  readonly maxQueuedBytes: number
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

  constructor(partitions: readonly TaskPartition[], options: TaskInputsOptions) {
    this.#options = options
    this.#inputs = partitions.map((partition) => ({
      partition,
      queue: new PartitionQueue(partition.node.source, partition.offset, options),
      paused: false,
    }))
  }

  get empty(): boolean {
    return this.#inputs.every(({ queue }) => queue.length === 0)
  }

  /** The next record of a partition waits for what its serde needs: without its time nobody knows which one comes next. */
  get isPreparing(): boolean {
    return this.#inputs.some(({ queue }) => queue.isPreparing)
  }

  /** Fetched and not taken, of all partitions. */
  get bytes(): number {
    return this.#inputs.reduce((sum, { queue }) => sum + queue.bytes, 0)
  }

  /** Where each partition goes on. */
  get positions(): Positions {
    return new Map(this.#inputs.map(({ partition, queue }) => [partitionKey(partition), queue.position]))
  }

  /** Positions in the form in which they are committed. */
  offsets(positions: Positions, mark: RecoveryMark): CommitOffset[] {
    return this.#inputs.map(({ partition: { topic, partition }, queue }) => ({
      topic,
      partition,
      offset: positions.get(partitionKey({ topic, partition })) ?? queue.position,
      metadata: encodeMark(mark, this.#options.epoch),
    }))
  }

  add(partition: TopicPartition, batch: ReadBatch): void {
    const input = this.#inputs.find((candidate) => partitionKey(candidate.partition) === partitionKey(partition))
    if (!input) return
    input.queue.add(batch)
    if (!input.paused && input.queue.bytes > this.#options.maxQueuedBytes) {
      input.paused = true
      this.#options.pause(partition)
    }
  }

  /** The record with the smallest timestamp of all heads; undefined as well while one of them cannot be read yet. */
  take(): TakenRecord | undefined {
    const input = this.#oldest()
    const head = input?.queue.take()
    if (!input || !head) return undefined
    if (input.paused && input.queue.bytes < this.#options.maxQueuedBytes / 2) {
      input.paused = false
      this.#options.resume(input.partition)
    }
    return { partition: input.partition, head }
  }

  /** Drops what was fetched and not taken. */
  clear(): void {
    for (const input of this.#inputs) {
      input.queue.reset(input.queue.position)
      input.paused = false
    }
  }

  #oldest(): Input | undefined {
    if (this.#inputs.length === 1) return this.#inputs[0]
    let oldest: { input: Input; timestamp: number } | undefined
    for (const input of this.#inputs) {
      const head = input.queue.head()
      if (!head && input.queue.isPreparing) return undefined
      if (!head) continue
      const timestamp = head.kind === 'record' ? head.record.timestamp : head.raw.timestamp
      if (!oldest || timestamp < oldest.timestamp) oldest = { input, timestamp }
    }
    return oldest?.input
  }
}

export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
