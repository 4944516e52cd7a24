import { ManualClock } from '../../src/clock.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { StreamError } from '../../src/errors.ts'
import { noHeaders } from '../../src/record.ts'
import type {
  Broker,
  CommitOffset,
  GroupListener,
  GroupMember,
  LogRecord,
  TopicPartition,
} from '../../src/runtime/broker.ts'
import { overlaid } from './overlaid.ts'

export const inTopic = 'in'

/** A record that a test writes: value null is a tombstone. */
export interface Written {
  readonly key?: string
  readonly value: string | null
  readonly timestamp?: number
}

export interface ScriptedGroupOptions {
  readonly clock?: ManualClock
  /** Partitions of the topic `in`. Default 1. */
  readonly partitions?: number
  /** The log of an earlier group, whose commits are not known here. */
  readonly log?: Broker
  /** Called when the instance asks to join, which takes as long. */
  readonly joining?: () => Promise<void>
  /** What this member sees of the log in its own way. */
  readonly overlay?: Partial<Broker>
  /** What the group says was committed before, for every partition. */
  readonly committed?: { readonly offset: number; readonly metadata: string }
}

/**
 * The consumer group of one instance, as a script: who owns what, when that ends, and what a commit answers is what the test says. The
 * log is a real one in memory.
 */
export class ScriptedGroup implements AsyncDisposable {
  readonly clock: ManualClock
  readonly log: Broker
  /** The broker that the instance is given. */
  readonly broker: Broker
  /** Every commit that was accepted, in order. */
  readonly commits: CommitOffset[] = []
  /** Called before a commit is accepted, which waits for it; what it throws is the answer. */
  onCommit: (offsets: readonly CommitOffset[]) => unknown = () => undefined
  /** How long the log takes to answer, by its own account. */
  answerMs = 0
  /** The last step before a record reaches the instance. */
  deliver: (record: LogRecord) => LogRecord = (record) => record
  /** The instance has left the group. */
  left = false
  /** Since when no heartbeat of the instance gets through; undefined while all of them do. */
  silentSince: number | undefined
  readonly #partitions: number
  readonly #committed = new Map<number, CommitOffset>()
  #owned: readonly number[] = []
  #positions = new Map<number, number>()
  #listener: GroupListener | undefined

  private constructor(log: Broker, options: ScriptedGroupOptions, clock: ManualClock) {
    this.clock = clock
    this.log = log
    this.#partitions = options.partitions ?? 1
    for (const partition of this.all) {
      if (options.committed) this.#committed.set(partition, { topic: inTopic, partition, ...options.committed })
    }
    this.broker = overlaid<Broker>(log, {
      join: async (_, listener) => {
        await options.joining?.()
        return this.#join(listener)
      },
      committed: async (_, partitions) => partitions.map((place) => this.#committedAt(place)),
      ...options.overlay,
    })
  }

  static async open(options: ScriptedGroupOptions = {}): Promise<ScriptedGroup> {
    const { clock = new ManualClock(), partitions = 1 } = options
    const log = options.log ?? embeddedBroker({ clock })
    if (!options.log) {
      await log.open()
      await log.createTopics([{ topic: inTopic, partitions }])
    }
    return new ScriptedGroup(log, options, clock)
  }

  get all(): number[] {
    return Array.from({ length: this.#partitions }, (_, partition) => partition)
  }

  /** Offset and metadata that a partition was last committed with. */
  committed(partition = 0): CommitOffset | undefined {
    return this.#committed.get(partition)
  }

  /** Writes to the log, and hands over what the instance owns of it. */
  async write(partition: number, ...records: readonly (Written | string)[]): Promise<void> {
    const producer = await this.log.producer()
    await producer.send(
      records.map((record) => {
        const { key = 'key', value, timestamp = 1 } = typeof record === 'string' ? { value: record } : record
        const bytes = value === null ? null : Buffer.from(value)
        return { topic: inTopic, partition, key: Buffer.from(key), value: bytes, timestamp, headers: noHeaders }
      }),
    )
    await producer.close()
    if (this.#owned.includes(partition)) await this.#fetch(partition)
  }

  /** Gives the instance these partitions, and what is in the log beyond its positions. */
  async assign(...partitions: readonly number[]): Promise<void> {
    this.#owned = partitions
    const places = partitions.map((partition) => ({ topic: inTopic, partition }))
    const starts = await this.#call(async (listener) => listener.assigned(places, new Uint8Array(0)))
    this.#positions = new Map(starts?.map(({ partition, offset }) => [partition, offset]))
    for (const partition of partitions) await this.#fetch(partition)
  }

  /** Takes all partitions back, as at the start of every rebalance. */
  async revoke({ inMs = 60_000 } = {}): Promise<void> {
    await this.#call((listener) => listener.revoked({ at: this.clock.now() + inMs }))
    this.#owned = []
  }

  /** Tells the instance that the group went on without it. */
  async lose(): Promise<void> {
    this.#owned = []
    await this.#call((listener) => listener.lost())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close()
  }

  #join(listener: GroupListener): GroupMember {
    this.#listener = listener
    const assigning = this.assign(...this.all)
    const heardAt = () => this.silentSince ?? this.clock.now()
    return {
      get lastHeartbeatAt() {
        return heardAt()
      },
      pause: () => undefined,
      resume: () => undefined,
      commit: (offsets) => this.#commit(offsets),
      // As with a broker: one callback after the other.
      leave: async () => {
        await assigning
        if (this.#owned.length > 0) await this.revoke()
        this.left = true
      },
    }
  }

  /** A callback that throws ends a member. */
  async #call<T>(callback: (listener: GroupListener) => Promise<T>): Promise<T | undefined> {
    if (!this.#listener) throw new Error('nobody has joined')
    try {
      return await callback(this.#listener)
    } catch (error) {
      this.#listener.failed(error as StreamError)
      return undefined
    }
  }

  async #commit(offsets: readonly CommitOffset[]): Promise<void> {
    await this.onCommit(offsets)
    for (const { partition } of offsets)
      if (!this.#owned.includes(partition)) throw new StreamError('MEMBER_FENCED', `${partition} is not yours`)
    this.commits.push(...offsets)
    for (const offset of offsets) this.#committed.set(offset.partition, offset)
  }

  #committedAt({ topic, partition }: TopicPartition) {
    const { offset, metadata = '' } = this.#committed.get(partition) ?? {}
    return { topic, partition, offset, metadata }
  }

  async #fetch(partition: number): Promise<void> {
    const place = { topic: inTopic, partition }
    for await (const batch of this.log.read(place, this.#positions.get(partition) ?? 0)) {
      if (!this.#owned.includes(partition)) return
      this.#positions.set(partition, batch.next)
      this.#listener?.polled?.(this.answerMs)
      this.#listener?.records(place, { ...batch, records: batch.records.map(this.deliver) })
    }
  }
}
