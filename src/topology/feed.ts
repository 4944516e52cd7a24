import type { Headers } from '../record.ts'

/**
 * A source that is not a topic: a folder, a file, a web page. It is read into a topic, and its cursor is kept beside that topic, so it
 * goes on where it was after a restart.
 */
export interface Feed<Cursor> {
  /** Names the source in `describe`, logs and errors: `folder:./docs`. Never holds credentials. */
  readonly name: string
  /**
   * Reads what has changed since `cursor`; undefined: everything. Ends when there is no more, or when the signal aborts; a feed that
   * watches ends only then. Throws SOURCE_MISSING or SOURCE_UNREADABLE when nothing can be read at all; what is wrong with one record
   * is a problem of its batch, and the others go on.
   *
   * Nothing is read ahead: the next batch is made when it is asked for.
   */
  read(cursor: Cursor | undefined, signal: AbortSignal): AsyncIterable<FeedBatch<Cursor>>
  /** Counts of the latest `read`. */
  readonly stats: FeedStats
}

export interface FeedBatch<Cursor> {
  readonly records: readonly FeedRecord[]
  /**
   * Plain data. Keep it once the records are durable: reading from here gives them no more. The same object as before when it has not
   * moved: a large cursor moves only now and then, and what follows it is read again.
   */
  readonly cursor: Cursor
  /** What could not become a record. */
  readonly problems: readonly FeedProblem[]
  /** All that was there when this pass began has been handed over. */
  readonly caughtUp: boolean
}

export interface FeedRecord {
  readonly key: string
  /** Null: deleted. */
  readonly value: Uint8Array | null
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly headers?: Headers
}

export interface FeedProblem {
  /** Where: `docs/photo.md`, `changes.jsonl line 17`. */
  readonly place: string
  /** One sentence without a full stop. */
  readonly reason: string
}

export interface FeedStats {
  /** What was looked at: files of the latest pass, lines. */
  readonly scanned: number
  /** Records with a value. */
  readonly changed: number
  /** What was the same as the cursor says. */
  readonly unchanged: number
  /** Tombstones. */
  readonly deleted: number
  /** What could not become a record, now. */
  readonly skipped: number
}
