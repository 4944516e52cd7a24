import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { isStreamError, StreamError } from '../../errors.ts'
import type { Feed, FeedBatch, FeedStats } from '../../topology/feed.ts'
import { BatchBuilder } from './batch.ts'
import { parseChange } from './change.ts'
import { errorReason, isGone } from './file-errors.ts'
import { type Line, splitLines } from './lines.ts'
import { realPath } from './real-path.ts'

export interface ChangeStreamOptions {
  /** A `.jsonl`, `.jsonl.gz` or `.jsonl.br` file. */
  readonly path: string
  /** Longer lines are refused by number. Bytes, default 16 MiB. */
  readonly maxLineBytes?: number
}

/** How far a file was read. */
export interface ChangeStreamCursor {
  /** Number of lines that are done. */
  readonly line: number
  /** SHA-256 of those lines: another file under the same name does not have it, and is read from its start. */
  readonly digest: string
}

const start: ChangeStreamCursor = { line: 0, digest: '' }

/** True for a path that `changeStream` reads: `.jsonl`, `.jsonl.gz` or `.jsonl.br`. */
export function isChangeStream(path: string): boolean {
  return /\.jsonl(\.gz|\.br)?$/i.test(path)
}

/**
 * The changes that a file lists, one JSON object a line, in their order:
 * `{ "key": "a.md", "op": "upsert", "text": "...", "time": "2024-05-01T12:00:00Z" }` or `{ "key": "a.md", "op": "delete" }`.
 *
 * The value of a record is the line without `key` and `op`, and with `path` (the key): a `FileDocument`, with whatever else the line
 * says. The timestamp is `time`, or the file's time of modification where there is none. A line that cannot be read is a problem of its
 * batch. A file that grows goes on where it was.
 *
 * @example
 * for await (const { records, problems } of changeStream({ path: 'book.jsonl.br' }).read(undefined, signal)) ...
 */
export function changeStream(options: ChangeStreamOptions): Feed<ChangeStreamCursor> {
  return new ChangeStream(options)
}

type Batch = FeedBatch<ChangeStreamCursor>

class ChangeStream implements Feed<ChangeStreamCursor> {
  readonly #path: string
  readonly #maxLineBytes: number
  #stats = noStats()
  #name: string | undefined

  constructor({ path, maxLineBytes = 16 * 1024 * 1024 }: ChangeStreamOptions) {
    this.#path = path
    this.#maxLineBytes = maxLineBytes
  }

  /** The cursor is kept under it: every spelling of the path is the same file. */
  get name(): string {
    this.#name ??= `stream:${realPath(this.#path)}`
    return this.#name
  }

  get stats(): FeedStats {
    return { ...this.#stats }
  }

  async *read(cursor: ChangeStreamCursor | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    try {
      const known = yield* this.#readFrom(cursor ?? start, signal)
      if (!known) yield* this.#readFrom(start, signal)
    } catch (error) {
      throw fileError(error, this.#path)
    }
  }

  /** False, and nothing yielded, when the file does not begin with the lines of the cursor. */
  async *#readFrom(cursor: ChangeStreamCursor, signal: AbortSignal): AsyncGenerator<Batch, boolean> {
    this.#stats = noStats()
    const { mtimeMs } = await stat(this.#path)
    const lines = splitLines(chunks(this.#path), this.#maxLineBytes)
    const position = await this.#skipTo(cursor, lines)
    if (!position) return false
    const batch = new BatchBuilder()
    for await (const line of lines) {
      if (signal.aborted) return true
      if (!this.#take(line, `${this.#path} line ${position.line + 1}`, mtimeMs, batch)) break
      position.pass(line)
      if (batch.isFull) yield batch.take(position.cursor())
    }
    yield batch.take(position.line === cursor.line ? cursor : position.cursor(), true)
    return true
  }

  /** Passes the lines of the cursor; undefined, and the file is closed, when they are others or too few. */
  async #skipTo(cursor: ChangeStreamCursor, lines: AsyncGenerator<Line>): Promise<Position | undefined> {
    const position = new Position()
    while (position.line < cursor.line) {
      const next = await lines.next()
      if (next.done) return undefined
      position.pass(next.value)
      this.#stats.unchanged++
    }
    if (position.isAt(cursor)) return position
    await lines.return(undefined)
    return undefined
  }

  /** Adds the record of a line, or what is wrong with it. False: the line is still being written, the next read takes it whole. */
  #take({ bytes, cut, ended }: Line, place: string, modifiedAt: number, batch: BatchBuilder): boolean {
    this.#stats.scanned++
    const change = cut ? `the line is longer than maxLineBytes (${this.#maxLineBytes})` : parseChange(bytes, modifiedAt)
    if (change === undefined) return true
    if (typeof change === 'string') {
      this.#stats.skipped++
      batch.report(place, change)
      return ended
    }
    this.#stats[change.value === null ? 'deleted' : 'changed']++
    batch.add(change)
    return true
  }
}

/** How far we are, and what we have seen up to there. */
class Position {
  readonly #hash = createHash('sha256')
  #line = 0

  get line(): number {
    return this.#line
  }

  pass({ bytes }: Line): void {
    this.#line++
    this.#hash.update(bytes).update('\n')
  }

  cursor(): ChangeStreamCursor {
    return { line: this.#line, digest: this.#hash.copy().digest('hex') }
  }

  isAt({ line, digest }: ChangeStreamCursor): boolean {
    return line === 0 || this.cursor().digest === digest
  }
}

function chunks(path: string): Readable {
  const file = createReadStream(path)
  const decoder = decompressor(path)
  // A failure of the file ends the decoder with the same error, and leaving the loop closes both.
  return decoder ? pipeline(file, decoder, () => undefined) : file
}

function decompressor(path: string) {
  if (/\.gz$/i.test(path)) return createGunzip()
  if (/\.br$/i.test(path)) return createBrotliDecompress()
  return undefined
}

function fileError(cause: unknown, path: string): StreamError {
  if (isStreamError(cause)) return cause
  return isGone(cause)
    ? new StreamError('SOURCE_MISSING', `there is no file ${path}`, { cause })
    : new StreamError('SOURCE_UNREADABLE', `the file ${path} cannot be read: ${errorReason(cause)}`, { cause })
}

function noStats() {
  return { scanned: 0, changed: 0, unchanged: 0, deleted: 0, skipped: 0 }
}
