import type { Stats } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import type { FileDocument } from '../../file-document.ts'
import type { FeedBatch, FeedProblem, FeedStats } from '../../topology/feed.ts'
import { BatchBuilder } from './batch.ts'
import type { Selection } from './selection.ts'
import { binaryReason, readTextFile, type Stamp, stampOf, tooLarge } from './text-file.ts'
import { type FoundFile, type WalkedFolder, walk } from './walk.ts'

/** What is known of one file. */
export type FileState =
  | { readonly key: string; readonly stamp: Stamp; readonly hash: string }
  | { readonly key: string; readonly stamp: Stamp; readonly refused: string }

/** The state of every file that was read; plain data. */
export interface FolderCursor {
  readonly files: readonly FileState[]
}

export interface FolderScanOptions {
  readonly root: string
  readonly selection: Selection
  /** Delete everything when no file is left. */
  readonly allowEmpty: boolean
  readonly maxFileBytes: number
  readonly clock: Clock
}

/** A copy of the cursor costs as much as the folder has files: in a pass it moves about twenty times, not with every batch. */
const movesPerPass = 20
const minFilesPerMove = 1_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Compares a folder with what is known of it, pass after pass. */
export class FolderScan {
  readonly #options: FolderScanOptions
  readonly #known: Map<string, FileState>
  #cursor: FolderCursor
  /** Files of this pass since the cursor moved. */
  #sinceMove = 0
  /** The cursor does not say what is known. */
  #stale = false
  /** What was reported in the last pass; only news is reported again. */
  #reported = new Map<string, string>()
  #stats = noStats()

  constructor(cursor: FolderCursor | undefined, options: FolderScanOptions) {
    this.#options = options
    this.#cursor = cursor ?? { files: [] }
    this.#known = new Map(this.#cursor.files.map((state) => [state.key, state]))
  }

  get stats(): FeedStats {
    return { ...this.#stats }
  }

  /** One look at everything. The last batch has `caughtUp`, also when it is empty. */
  async *pass(entering: (folder: string) => void, signal: AbortSignal): AsyncGenerator<FeedBatch<FolderCursor>> {
    const { root, selection } = this.#options
    const walked = await walk({ root, selection, entering, signal })
    const batch = new BatchBuilder()
    const reports = new Map<string, string>()
    const report = ({ place, reason }: FeedProblem) => {
      if (this.#reported.get(place) !== reason) batch.report(place, reason)
      reports.set(place, reason)
    }
    this.#stats = { ...this.#stats, scanned: walked.files.length, unchanged: 0, skipped: 0 }
    this.#refuseEmpty(walked)
    walked.problems.forEach(report)
    if (walked.files.length === 0)
      report({ place: root, reason: `no file in it matches ${selection.globs.join(', ')}` })
    for (const file of walked.files) {
      if (signal.aborted) return
      const problem = await this.#look(file, batch)
      if (problem !== undefined) report({ place: file.key, reason: problem })
      this.#sinceMove++
      if (batch.isFull) yield batch.take(this.#moveCursor(walked.files.length))
    }
    if (signal.aborted) return
    for (const key of this.#vanished(walked)) {
      this.#forget(key, batch)
      if (batch.isFull) yield batch.take(this.#cursor)
    }
    this.#reported = reports
    this.#stats.skipped = reports.size
    yield batch.take(this.#snapshot(), true)
  }

  /** A later look: silent when it finds nothing, and patient when the folder is away for a while (a network drive). */
  async *passAgain(entering: (folder: string) => void, signal: AbortSignal): AsyncGenerator<FeedBatch<FolderCursor>> {
    try {
      for await (const batch of this.pass(entering, signal))
        if (batch.records.length + batch.problems.length > 0) yield batch
    } catch (error) {
      if (!isStreamError(error)) throw error
      const { root } = this.#options
      // An empty folder says so itself.
      const waiting = error.code === 'SOURCE_EMPTY' ? '' : '; nothing is deleted, and it is waited for'
      const reason = error.fact + waiting
      if (this.#reported.get(root) === reason) return
      this.#reported.set(root, reason)
      yield { records: [], problems: [{ place: root, reason }], cursor: this.#cursor, caughtUp: false }
    }
  }

  /** Emits a file when it has changed; returns what is wrong with it. */
  async #look({ key, stats }: FoundFile, batch: BatchBuilder): Promise<string | undefined> {
    const known = this.#known.get(key)
    if (known && isStillTrue(known, stats, this.#options.maxFileBytes)) {
      if ('refused' in known) return known.refused
      this.#stats.unchanged++
      return undefined
    }
    const read = await readTextFile(join(this.#options.root, key), this.#options)
    switch (read.kind) {
      case 'gone':
        this.#forget(key, batch)
        return undefined
      case 'unreadable':
        return read.reason
      case 'refused':
        this.#forget(key, batch)
        this.#learn({ key, stamp: read.stamp, refused: read.reason })
        return read.reason
      case 'text':
        this.#learn({ key, stamp: read.stamp, hash: read.hash })
        if (known && 'hash' in known && known.hash === read.hash) this.#stats.unchanged++
        else this.#emit(key, read.bytes, stats.mtimeMs, batch)
    }
    return undefined
  }

  #learn(state: FileState): void {
    this.#known.set(state.key, state)
    this.#stale = true
  }

  #emit(key: string, bytes: Uint8Array, modifiedAt: number, batch: BatchBuilder): void {
    const document: FileDocument = { path: key, text: decoder.decode(bytes) }
    // A file may claim to be older than the epoch; event time may not.
    const timestamp = Math.max(0, Math.trunc(modifiedAt))
    batch.add({ key, value: encoder.encode(JSON.stringify(document)), timestamp })
    this.#stats.changed++
  }

  /** Forgets a file, with a tombstone when a record of it was emitted. */
  #forget(key: string, batch: BatchBuilder): void {
    const known = this.#known.get(key)
    if (this.#known.delete(key)) this.#stale = true
    if (!known || 'refused' in known) return
    batch.add({ key, value: null, timestamp: this.#options.clock.now() })
    this.#stats.deleted++
  }

  /** Known files that this walk has not seen, sorted; those behind a folder that cannot be read are still there as far as we know. */
  #vanished({ files, unreadable }: WalkedFolder): readonly string[] {
    const seen = new Set(files.map(({ key }) => key))
    const hidden = (key: string) => unreadable.some((other) => key === other || key.startsWith(`${other}/`))
    return [...this.#known.keys()].filter((key) => !seen.has(key) && !hidden(key)).sort()
  }

  /** A disk that is not mounted looks like a folder whose files were all deleted. */
  #refuseEmpty(walked: WalkedFolder): void {
    const { root, allowEmpty } = this.#options
    const documents = [...this.#known.values()].filter((state) => 'hash' in state).length
    if (allowEmpty || documents === 0 || walked.files.length > 0) return
    if (this.#vanished(walked).length < this.#known.size) return
    const fact = `the folder ${root} is empty, and ${documents} document(s) were read from it before; none was deleted`
    throw new StreamError('SOURCE_EMPTY', fact)
  }

  #moveCursor(files: number): FolderCursor {
    return this.#sinceMove < Math.max(minFilesPerMove, files / movesPerPass) ? this.#cursor : this.#snapshot()
  }

  #snapshot(): FolderCursor {
    this.#sinceMove = 0
    if (this.#stale) this.#cursor = { files: [...this.#known.values()] }
    this.#stale = false
    return this.#cursor
  }
}

/** A file that was refused for its size is looked at again under another limit. */
function isStillTrue(known: FileState, stats: Stats, maxFileBytes: number): boolean {
  if (known.stamp !== stampOf(stats)) return false
  if (!('refused' in known)) return true
  return known.refused === binaryReason || known.refused === tooLarge(stats.size, maxFileBytes)
}

function noStats() {
  return { scanned: 0, changed: 0, unchanged: 0, deleted: 0, skipped: 0 }
}
