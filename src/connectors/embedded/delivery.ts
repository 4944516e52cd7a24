import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, stopwatch } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { ReadBatch, StartPosition, TopicPartition } from '../../runtime/broker.ts'
import type { EmbeddedLog } from './log.ts'
import type { Partition } from './partition.ts'

interface Cursor {
  readonly target: TopicPartition
  readonly partition: Partition
  position: number
  paused: boolean
}

export interface DeliveryEvents {
  /** The log was read, which took so long. */
  polled(durationMs: number): void
  /** Where all partitions end now. */
  ends(ends: readonly StartPosition[]): void
  records(partition: TopicPartition, batch: ReadBatch): void
  failed(error: unknown): void
}

export interface DeliveryContext {
  readonly log: EmbeddedLog
  readonly clock: Clock
}

/**
 * Pushes the records of one assignment to its member: one bounded batch at a time, partitions in turn, and a turn of the event loop
 * between two batches. It sleeps while nothing is to be had and is woken by new records and by `resume`.
 */
export class Delivery {
  readonly #log: EmbeddedLog
  readonly #clock: Clock
  readonly #events: DeliveryEvents
  readonly #cursors: readonly Cursor[]
  #state: 'new' | 'open' | 'stopped' = 'new'
  #running = false
  #unwatch: readonly (() => void)[] = []

  constructor({ log, clock }: DeliveryContext, partitions: readonly TopicPartition[], events: DeliveryEvents) {
    this.#log = log
    this.#clock = clock
    this.#events = events
    this.#cursors = partitions.map((target) => {
      return { target, partition: log.catalog.partition(target), position: 0, paused: false }
    })
  }

  /** Throws OFFSET_OUT_OF_RANGE, and ILLEGAL_STATE when a partition has no start. */
  start(starts: readonly StartPosition[]): void {
    if (this.#state !== 'new') return
    for (const cursor of this.#cursors) {
      cursor.position = startOf(cursor.target, starts)
      this.#log.checkPosition(cursor.partition, cursor.position)
    }
    this.#state = 'open'
    this.#unwatch = this.#cursors.map(({ partition }) => partition.watch(() => this.#wake()))
    this.#wake()
  }

  /** Nothing is delivered any more, at once. */
  stop(): void {
    this.#state = 'stopped'
    for (const unwatch of this.#unwatch) unwatch()
    this.#unwatch = []
  }

  has(target: TopicPartition): boolean {
    return this.#find(target) !== undefined
  }

  /** Partitions of others are passed over: an assignment may have ended while the caller was deciding. */
  setPaused(targets: readonly TopicPartition[], paused: boolean): void {
    for (const target of targets) {
      const cursor = this.#find(target)
      if (cursor) cursor.paused = paused
    }
    if (!paused) this.#wake()
  }

  #find({ topic, partition }: TopicPartition): Cursor | undefined {
    return this.#cursors.find(({ target }) => target.topic === topic && target.partition === partition)
  }

  #wake(): void {
    if (this.#running || this.#state !== 'open') return
    this.#running = true
    void this.#run().catch((error) => {
      if (this.#state === 'open') this.#events.failed(error)
    })
  }

  async #run(): Promise<void> {
    try {
      for (let found = true; found; ) {
        found = false
        for (const cursor of this.#cursors) {
          if (!this.#isReady(cursor)) continue
          found = true
          await this.#deliver(cursor)
          await nextTurn()
        }
      }
    } finally {
      this.#running = false
    }
  }

  async #deliver(cursor: Cursor): Promise<void> {
    const elapsedMs = stopwatch(this.#clock)
    const batch = await this.#log.read(cursor.partition, cursor.position, cursor.partition.stable)
    this.#events.polled(elapsedMs())
    // Paused or stopped while the store was read: the same records are read again when they are wanted.
    if (!this.#isReady(cursor)) return
    cursor.position = batch.next
    this.#events.ends(this.#cursors.map(({ target, partition }) => ({ ...target, offset: partition.stable })))
    this.#events.records(cursor.target, batch)
  }

  #isReady({ position, paused, partition }: Cursor): boolean {
    return this.#state === 'open' && !paused && position < partition.stable
  }
}

function startOf({ topic, partition }: TopicPartition, starts: readonly StartPosition[]): number {
  const start = starts.find((candidate) => candidate.topic === topic && candidate.partition === partition)
  if (start) return start.offset
  throw new StreamError('ILLEGAL_STATE', `the listener named no start for ${topic}-${partition}`)
}
