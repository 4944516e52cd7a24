import type { ByteChange } from '../../state/store.ts'
import { type Cleaning, cleaningKey, encodeCleaning, encodeOffset, nextOffsetKey, type Topic } from './layout.ts'

/** Offsets that were given away, to records that are not visible yet. */
export interface Reservation {
  readonly first: number
}

/**
 * The counters of one partition; the records themselves are only in the store.
 *
 *   start                  stable               end
 *     | visible records      | reserved: being    | next offset to give away
 *     |                      | written, or in an  |
 *     |                      | open transaction   |
 *
 * A reader never passes the first reservation, so records become visible in offset order. A reservation that ends without records (an
 * aborted transaction, a failed write) leaves a gap.
 */
export class Partition {
  readonly topic: Topic
  readonly index: number
  #end: number
  #cleaning: Cleaning
  /** In order of their offsets, as sets keep the order of insertion. */
  readonly #reservations = new Set<Reservation>()
  readonly #watchers = new Set<() => void>()

  constructor(topic: Topic, index: number, counters: Partial<{ end: number; cleaning: Cleaning }> = {}) {
    this.topic = topic
    this.index = index
    this.#end = counters.end ?? 0
    this.#cleaning = counters.cleaning ?? { start: 0, cleanedTo: 0, cleanedRecords: 0 }
  }

  /** First offset that may be read. */
  get start(): number {
    return this.#cleaning.start
  }

  /** Everything below is visible to readers: the last stable offset. */
  get stable(): number {
    const [first] = this.#reservations
    return first ? first.first : this.#end
  }

  /** The next offset to be given away. */
  get end(): number {
    return this.#end
  }

  get cleaning(): Cleaning {
    return this.#cleaning
  }

  /** Nothing from the next offset on becomes visible until the reservation is settled. */
  reserve(): Reservation {
    const reservation: Reservation = { first: this.#end }
    this.#reservations.add(reservation)
    return reservation
  }

  /** The next offset of the newest reservation. */
  take(): number {
    return this.#end++
  }

  /** The records of the reservation are in the store, or will never be. */
  settle(reservation: Reservation): void {
    const before = this.stable
    this.#reservations.delete(reservation)
    if (this.stable > before) for (const watcher of this.#watchers) watcher()
  }

  /** Calls `watcher` whenever more has become visible, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  cleaned(cleaning: Cleaning): void {
    this.#cleaning = cleaning
  }

  /** Part of every append: offsets are never given away twice, also when the records below are gone. */
  endChange(): ByteChange {
    return { key: nextOffsetKey(this.topic.id, this.index), value: encodeOffset(this.#end) }
  }

  cleaningChange(cleaning: Cleaning): ByteChange {
    return { key: cleaningKey(this.topic.id, this.index), value: encodeCleaning(cleaning) }
  }
}
