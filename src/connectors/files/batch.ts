import type { FeedBatch, FeedProblem, FeedRecord } from '../../topology/feed.ts'

const maxRecords = 256
const maxBytes = 4 * 1024 * 1024

/** Collects what a feed found until it is worth handing over. */
export class BatchBuilder {
  #records: FeedRecord[] = []
  #problems: FeedProblem[] = []
  #bytes = 0

  add(record: FeedRecord): void {
    this.#records.push(record)
    this.#bytes += record.value?.byteLength ?? 0
  }

  report(place: string, reason: string): void {
    this.#problems.push({ place, reason })
  }

  get isFull(): boolean {
    return this.#records.length + this.#problems.length >= maxRecords || this.#bytes >= maxBytes
  }

  /** The batch; the builder is empty afterwards. */
  take<Cursor>(cursor: Cursor, caughtUp = false): FeedBatch<Cursor> {
    const batch = { records: this.#records, problems: this.#problems, cursor, caughtUp }
    this.#records = []
    this.#problems = []
    this.#bytes = 0
    return batch
  }
}
