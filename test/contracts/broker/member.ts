import type { StreamError } from '../../../src/errors.ts'
import type {
  Assignor,
  Broker,
  GroupListener,
  GroupMember,
  GroupOptions,
  LogRecord,
  ReadBatch,
  RevocationDeadline,
  StartPosition,
  TopicPartition,
} from '../../../src/runtime/broker.ts'
import { valuesOf } from './harness.ts'

export interface TestMemberOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Shown in the journal. */
  readonly name?: string
  /** Several members may write one journal: it shows who came first. */
  readonly journal?: string[]
  readonly assignor?: Assignor
  readonly rebalanceTimeoutMs?: number
  /** Milliseconds, default 6,000. */
  readonly sessionTimeoutMs?: number
  /** Default: what the group has committed, else 0. */
  readonly start?: (partition: TopicPartition) => number
  readonly onAssigned?: () => Promise<void>
  readonly onRevoked?: (deadline: RevocationDeadline) => Promise<void>
  readonly onFailed?: (error: StreamError) => void
  readonly onRecords?: (partition: TopicPartition, batch: ReadBatch) => void
}

/**
 * A member of a group that remembers what it was told. Its journal has the lines `<name> assigned 0 1`, `<name> revoked`,
 * `<name> gave up` (when `revoked` is about to resolve), `<name> lost`, `<name> failed <code>`.
 */
export class TestMember {
  readonly journal: string[]
  /** Callbacks that were running when another one was called, and records outside of an assignment. */
  readonly violations: string[] = []
  /** What the leader said with the last assignment. */
  told = ''
  /** How long each request for records took, milliseconds. */
  readonly polls: number[] = []
  /** Where the log said that partitions end, in the order in which it did. */
  readonly ends: StartPosition[] = []
  readonly #broker: Broker
  readonly #options: TestMemberOptions
  readonly #records = new Map<string, LogRecord[]>()
  readonly #positions = new Map<string, number>()
  #owned: readonly TopicPartition[] = []
  #member: GroupMember | undefined
  #running: string | undefined
  #holds = false

  private constructor(broker: Broker, options: TestMemberOptions) {
    this.#broker = broker
    this.#options = options
    this.journal = options.journal ?? []
  }

  static async join(broker: Broker, options: TestMemberOptions): Promise<TestMember> {
    const test = new TestMember(broker, options)
    const { group, topics, rebalanceTimeoutMs, sessionTimeoutMs = 6_000 } = options
    const groupOptions: GroupOptions = {
      group,
      topics,
      assignor: options.assignor ?? evenAssignor(),
      sessionTimeoutMs,
      ...(rebalanceTimeoutMs !== undefined && { rebalanceTimeoutMs }),
    }
    test.#member = await broker.join(groupOptions, test.#listener())
    return test
  }

  /** Partition numbers of what the member owns, sorted. */
  get owned(): number[] {
    return this.#owned.map(({ partition }) => partition).sort((a, b) => a - b)
  }

  get group(): string {
    return this.#options.group
  }

  get member(): GroupMember {
    if (!this.#member) throw new Error('the member has not joined yet')
    return this.#member
  }

  /** Of one partition, over all assignments. */
  records({ topic, partition }: TopicPartition): readonly LogRecord[] {
    return this.#records.get(`${topic}-${partition}`) ?? []
  }

  values(place: TopicPartition): (string | null)[] {
    return valuesOf(this.records(place))
  }

  /** The `next` of the last batch. */
  position({ topic, partition }: TopicPartition): number | undefined {
    return this.#positions.get(`${topic}-${partition}`)
  }

  #listener(): GroupListener {
    return {
      assigned: (partitions, data) =>
        this.#exclusively(`assigned ${numbersOf(partitions)}`.trim(), async () => {
          this.#owned = partitions
          this.told = Buffer.from(data).toString()
          await this.#options.onAssigned?.()
          const starts = await this.#starts(partitions)
          this.#holds = true
          return starts
        }),
      revoked: (deadline) =>
        this.#exclusively('revoked', async () => {
          this.#holds = false
          await this.#options.onRevoked?.(deadline)
          this.#owned = []
          this.#note('gave up')
        }),
      lost: () =>
        this.#exclusively('lost', async () => {
          this.#holds = false
          this.#owned = []
        }),
      records: (partition, batch) => this.#take(partition, batch),
      polled: (durationMs) => this.polls.push(durationMs),
      ends: (ends) => this.ends.push(...ends),
      failed: (error) => {
        this.#options.onFailed?.(error)
        this.#owned = []
        this.#note(`failed ${error.code}`)
      },
    }
  }

  async #starts(partitions: readonly TopicPartition[]): Promise<readonly StartPosition[]> {
    const { group, start } = this.#options
    if (start) return partitions.map((partition) => ({ ...partition, offset: start(partition) }))
    const committed = await this.#broker.committed(group, partitions)
    return committed.map(({ topic, partition, offset = 0 }) => ({ topic, partition, offset }))
  }

  #take(place: TopicPartition, batch: ReadBatch): void {
    const id = `${place.topic}-${place.partition}`
    if (!this.#holds) this.violations.push(`records of ${id} outside of an assignment`)
    this.#records.set(id, [...(this.#records.get(id) ?? []), ...batch.records])
    this.#positions.set(id, batch.next)
    this.#options.onRecords?.(place, batch)
  }

  async #exclusively<T>(event: string, action: () => Promise<T>): Promise<T> {
    if (this.#running) this.violations.push(`${event} while ${this.#running}`)
    this.#running = event
    this.#note(event)
    try {
      return await action()
    } finally {
      this.#running = undefined
    }
  }

  #note(event: string): void {
    this.journal.push(`${this.#options.name ?? 'member'} ${event}`)
  }
}

/** Deals the partitions of all topics to the members in turn. */
export function evenAssignor(name = 'even'): Assignor {
  return {
    name,
    memberData: () => new Uint8Array(),
    assign(members, topics) {
      const ids = members.map(({ memberId }) => memberId).sort()
      const all = topics.flatMap(({ topic, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
      )
      return new Map(ids.map((id, index) => [id, { partitions: all.filter((_, at) => at % ids.length === index) }]))
    },
  }
}

function numbersOf(partitions: readonly TopicPartition[]): string {
  return partitions
    .map(({ partition }) => partition)
    .sort((a, b) => a - b)
    .join(' ')
}
