import type { Clock } from '../../src/clock.ts'
import type { EmbeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { StreamError } from '../../src/errors.ts'
import type {
  Broker,
  CommitOffset,
  GroupListener,
  GroupMember,
  GroupOptions,
  Producer,
  ProducerRecord,
  ReadBatch,
  StartPosition,
  TopicPartition,
  Transaction,
} from '../../src/runtime/broker.ts'

export interface BrokerControls {
  readonly clock: Clock
  readonly trace: (line: string) => void
  /** An offset was committed. */
  readonly committed: (offset: CommitOffset) => void
  /** Turns of the event loop that a write to the log takes. */
  readonly slowTurns: () => number
  /** Takes one of the failures that were ordered. */
  readonly takeFailure: (what: 'send' | 'commit') => { readonly applied: boolean } | undefined
}

/** Records that one look at the log brings. */
const fetchRecords = 3

/** What one instance sees of the broker: the real one, but fetching, slowness, failures and evictions are told from outside. */
export class HeldBroker {
  readonly #name: string
  readonly #host: EmbeddedBroker
  readonly #client: EmbeddedBroker
  readonly #controls: BrokerControls
  #membership: Membership | undefined
  #isDead = false

  constructor(name: string, host: EmbeddedBroker, controls: BrokerControls) {
    this.#name = name
    this.#host = host
    this.#client = host.connect()
    this.#controls = controls
  }

  get port(): Broker {
    return overlaid<Broker>(this.#client, {
      join: (options, listener) => this.#join(options, listener),
      producer: async (options) => this.#slowed(await this.#client.producer(options)),
    })
  }

  async open(): Promise<void> {
    await this.#client.open()
  }

  /** Hands over records that are in the log; resolves when they are with the listener. */
  async fetch(records = fetchRecords): Promise<void> {
    await this.#membership?.fetch(records)
  }

  /** The instance is in its group, and hears of it. */
  get isReachable(): boolean {
    return this.#membership?.isReachable ?? false
  }

  /** The group removes the member, which hears of it and joins again. */
  async evict(): Promise<void> {
    await this.#membership?.evict()
  }

  /** See Membership.cutOff. */
  cutOff(forMs: number): void {
    this.#membership?.cutOff(forMs)
  }

  /** As after kill -9: out of the group without a word, and nothing is written any more. */
  async die(): Promise<void> {
    this.#isDead = true
    await Promise.all([this.#client.close(), this.#membership?.die()])
  }

  async #join(options: GroupOptions, listener: GroupListener): Promise<GroupMember> {
    const membership = new Membership(this.#host, { options, listener, controls: this.#controls })
    this.#membership = membership
    await membership.join()
    return membership
  }

  #slowed(producer: Producer): Producer {
    return overlaid<Producer>(producer, {
      send: async (records, guard) => {
        guard?.()
        return this.#send(producer, records)
      },
      begin: async () => this.#watched(await producer.begin()),
    })
  }

  async #send(to: Pick<Producer, 'send'>, records: readonly ProducerRecord[]): Promise<readonly number[]> {
    for (let turn = this.#controls.slowTurns(); turn > 0 && !this.#isDead; turn--) await nextTurn()
    const failure = this.#controls.takeFailure('send')
    const topics = [...new Set(records.map((record) => record.topic))]
    this.#controls.trace(`${this.#name}: writes to ${topics.join(' ')}${failure ? ', and hears nothing' : ''}`)
    if (failure?.applied !== false) {
      const offsets = await to.send(records)
      if (!failure) return offsets
    }
    throw new StreamError('PRODUCE_FAILED', 'the broker did not answer')
  }

  #watched(transaction: Transaction): Transaction {
    const sent: CommitOffset[] = []
    return overlaid<Transaction>(transaction, {
      send: (records) => this.#send(transaction, records),
      sendOffsets: async (group, offsets) => {
        await transaction.sendOffsets(group, offsets)
        sent.push(...offsets)
      },
      commit: async () => {
        const failure = this.#controls.takeFailure('commit')
        if (failure?.applied !== false) {
          await transaction.commit()
          for (const offset of sent) this.#controls.committed(offset)
        }
        if (failure) throw new StreamError('PRODUCE_FAILED', 'the broker did not answer')
      },
    })
  }
}

interface MembershipContext {
  readonly options: GroupOptions
  readonly listener: GroupListener
  readonly controls: BrokerControls
}

interface Cursor extends TopicPartition {
  position: number
}

/** A member that fetches only when it is told to, may be evicted at any moment, and may be cut off from its group. */
class Membership implements GroupMember {
  readonly #host: EmbeddedBroker
  readonly #context: MembershipContext
  #link: EmbeddedBroker
  #inner: GroupMember | undefined
  #cursors: Cursor[] = []
  readonly #paused = new Set<string>()
  #callbacks: Promise<unknown> = Promise.resolve()
  /** Resolves when it hears of its group again. */
  #cutOff: Promise<void> | undefined
  /** On the clock: its last heartbeat that was accepted, when there were others since. */
  #silentSince: number | undefined
  #isMember = false
  #isCalling = false
  #isOver = false

  constructor(host: EmbeddedBroker, context: MembershipContext) {
    this.#host = host
    this.#link = host.connect()
    this.#context = context
  }

  get lastHeartbeatAt(): number {
    return this.#silentSince ?? this.#context.controls.clock.now()
  }

  /** It is in its group, and hears of it. */
  get isReachable(): boolean {
    return this.#isMember && !this.#cutOff && !this.#isOver
  }

  async join(): Promise<void> {
    const link = this.#link
    const { listener, options } = this.#context
    await link.open()
    this.#silentSince = undefined
    this.#inner = await link.join(options, {
      assigned: (partitions, data) => this.#enqueue(link, () => this.#assigned(partitions, data)),
      revoked: async (deadline) => {
        await this.#enqueue(link, async () => {
          this.#drop()
          await listener.revoked(deadline)
          return []
        })
      },
      lost: () => this.#lost(),
      records: () => undefined,
      failed: (error) => listener.failed(error),
    })
    this.#isMember = true
  }

  /**
   * The group goes on without the member, which hears of it at once. Not in the middle of a callback, when it could not hear of it: who
   * is slow there is removed when the time for a rebalance or the session is over, and has stopped before.
   */
  async evict(): Promise<void> {
    if (this.#isCalling) return
    await this.#expire()
    await this.#comeBack()
  }

  /** For a while nothing comes from the coordinator, and nothing gets there; when that lasts for a session, the group goes on without it. */
  cutOff(forMs: number): void {
    const { clock, trace } = this.#context.controls
    const { sessionTimeoutMs = 0 } = this.#context.options
    const back = Promise.withResolvers<void>()
    this.#cutOff = back.promise
    this.#silentSince = clock.now()
    const isLong = forMs > sessionTimeoutMs
    if (isLong) clock.after(sessionTimeoutMs, () => void this.#expire())
    clock.after(forMs, () => {
      trace('the coordinator can be reached again')
      this.#cutOff = undefined
      back.resolve()
      if (isLong) void this.#comeBack()
      else this.#silentSince = undefined
    })
  }

  async die(): Promise<void> {
    this.#isOver = true
    this.#drop()
    await this.#link.close()
  }

  async fetch(records: number): Promise<void> {
    const cursors = this.#cursors
    for (const cursor of cursors) {
      if (this.#paused.has(nameOf(cursor))) continue
      const batch = await this.#read(cursor, records)
      if (!batch || cursors !== this.#cursors || this.#paused.has(nameOf(cursor))) continue
      cursor.position = batch.next
      this.#context.listener.records(cursor, batch)
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#paused.add(nameOf(partition))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#paused.delete(nameOf(partition))
  }

  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    const { controls } = this.#context
    const failure = this.#cutOff ? { applied: false } : controls.takeFailure('commit')
    if (failure?.applied !== false) {
      await this.#inner?.commit(offsets)
      for (const offset of offsets) controls.committed(offset)
    }
    if (failure) throw new StreamError('COMMIT_FAILED', 'the coordinator did not answer')
  }

  async leave(): Promise<void> {
    await this.#inner?.leave()
    this.#isOver = true
    this.#drop()
  }

  async #assigned(partitions: readonly TopicPartition[], data: Uint8Array): Promise<readonly StartPosition[]> {
    const starts = await this.#context.listener.assigned(partitions, data)
    this.#paused.clear()
    this.#cursors = starts.map(({ topic, partition, offset }) => ({ topic, partition, position: offset }))
    if (this.#context.controls.slowTurns() > 0) void this.#fetchAtOnce()
    return starts
  }

  /** Before a task has committed its mark and started, when the broker is slow. */
  async #fetchAtOnce(): Promise<void> {
    try {
      await this.fetch(fetchRecords)
    } catch (error) {
      // Who died meanwhile fetches nothing.
      if (!this.#isOver) throw error
    }
  }

  async #expire(): Promise<void> {
    if (this.#isOver) return
    this.#isMember = false
    const link = this.#link
    this.#silentSince ??= this.#context.controls.clock.now()
    this.#link = this.#host.connect()
    await link.close()
  }

  async #comeBack(): Promise<void> {
    if (this.#isOver) return
    try {
      await this.#lost()
      if (!this.#isOver) await this.join()
    } catch (error) {
      // Of somebody who died meanwhile nothing is heard.
      if (!this.#isOver) throw error
    }
  }

  async #lost(): Promise<void> {
    this.#drop()
    await this.#enqueue(this.#link, async () => {
      await this.#context.listener.lost()
      return []
    })
  }

  #drop(): void {
    this.#cursors = []
  }

  async #read({ topic, partition, position }: Cursor, records: number): Promise<ReadBatch | undefined> {
    for await (const batch of this.#host.read({ topic, partition }, position)) {
      const cut = batch.records.slice(0, records)
      const next = cut.length < batch.records.length ? (cut.at(-1)?.offset ?? position) + 1 : batch.next
      return { records: cut, next }
    }
    return undefined
  }

  /** One callback at a time; what a former membership still wanted to say is left out. */
  #enqueue(link: EmbeddedBroker, callback: () => Promise<readonly StartPosition[]>): Promise<readonly StartPosition[]> {
    const call = async () => {
      await this.#cutOff
      if (link !== this.#link || this.#isOver) return []
      this.#isCalling = true
      return await callback().finally(() => {
        this.#isCalling = false
      })
    }
    const result = this.#callbacks.then(call)
    this.#callbacks = result.catch(() => undefined)
    return result
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** `target` with some methods of its own; whatever else it can do goes through. */
function overlaid<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const own = methods[name as keyof T]
      const value = own ?? target[name as keyof T]
      return typeof value === 'function' && own === undefined ? value.bind(target) : value
    },
  })
}
