import type { StartPosition, TopicPartition } from '../../runtime/broker.ts'
import type { ConsumerGroup, OffsetManager } from './internals.ts'

export interface Generation {
  readonly group: ConsumerGroup
  readonly offsetManager: OffsetManager
}

/** What a member owns between two joins. It keeps the offset manager of its generation: a late commit cannot pass for a newer one. */
export class Assignment {
  readonly partitions: readonly TopicPartition[]
  readonly generation: Generation
  /** `assigned` was called, so that `revoked` or `lost` is due. */
  wasHanded = false
  /** The end has begun: nothing is delivered any more, but commits are still taken. */
  isEnding = false
  /** The group goes on without the member: nothing may be committed. */
  isFenced = false
  /** The one call of `revoked`, whoever caused it. */
  revocation: Promise<void> | undefined
  readonly #keys: ReadonlySet<string>
  readonly #positions = new Map<string, number>()
  readonly #paused = new Set<string>()

  constructor(partitions: readonly TopicPartition[], generation: Generation) {
    this.partitions = partitions
    this.generation = generation
    this.#keys = new Set(partitions.map(keyOf))
  }

  has(partition: TopicPartition): boolean {
    return this.#keys.has(keyOf(partition))
  }

  /** From now on records are delivered, from these positions on. */
  start(positions: readonly StartPosition[]): void {
    for (const position of positions) this.#positions.set(keyOf(position), position.offset)
  }

  /** Offset of the next record to deliver; undefined while nothing may be delivered. */
  positionOf(partition: TopicPartition): number | undefined {
    return this.isEnding ? undefined : this.#positions.get(keyOf(partition))
  }

  advance(partition: TopicPartition, next: number): void {
    this.#positions.set(keyOf(partition), next)
  }

  setPaused(partitions: readonly TopicPartition[], isPaused: boolean): void {
    for (const partition of partitions) {
      if (isPaused) this.#paused.add(keyOf(partition))
      else this.#paused.delete(keyOf(partition))
    }
  }

  isPaused(partition: TopicPartition): boolean {
    return this.#paused.has(keyOf(partition))
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
