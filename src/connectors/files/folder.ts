import { resolve, sep } from 'node:path'
import { type Clock, systemClock } from '../../clock.ts'
import type { Feed, FeedBatch, FeedStats } from '../../topology/feed.ts'
import { type FolderCursor, FolderScan } from './folder-scan.ts'
import { FolderWatch } from './folder-watch.ts'
import { pathInside, realPath } from './real-path.ts'
import { type SelectionOptions, selection } from './selection.ts'

export type { FolderCursor } from './folder-scan.ts'

export interface FolderOptions extends SelectionOptions {
  /** The folder; its files are found at any depth. */
  readonly path: string
  /** Go on and follow changes until the signal aborts. Default false: one look. */
  readonly watch?: boolean
  /** Folders that are not entered, as paths from the working directory; those outside do not matter. Default none. */
  readonly except?: readonly string[]
  /**
   * Take a folder that has lost all of its files for what it seems: everything is deleted. Default false: SOURCE_EMPTY, because a disk that
   * is not mounted looks the same; while watching a problem, and nothing is deleted until a file is there again.
   */
  readonly allowEmpty?: boolean
  /** Larger files are refused by name. Bytes, default 8 MiB. */
  readonly maxFileBytes?: number
  readonly clock?: Clock
}

/**
 * The text files of a folder: a record for each new or changed file, a tombstone for each that vanished, also while nobody looked. The
 * key is the path in the folder with forward slashes, the value a `FileDocument` as JSON, the timestamp the time of modification.
 *
 * Whether a file changed is told by its content: touching it emits nothing. Invalid UTF-8 is replaced, a byte order mark dropped.
 * Binary, over-large and unreadable files are problems of their batch, and so is a folder without any file that counts. Records come in the order of their keys, deletions last.
 *
 * @example
 * for await (const { records, cursor } of folder({ path: './docs' }).read(undefined, signal)) ...
 */
export function folder(options: FolderOptions): Feed<FolderCursor> {
  return new FolderFeed(options)
}

class FolderFeed implements Feed<FolderCursor> {
  readonly #options: FolderOptions
  readonly #clock: Clock
  #scan: FolderScan
  #name: string | undefined

  constructor(options: FolderOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#scan = this.#newScan(undefined, [])
  }

  /** The cursor is kept under it: every spelling of the path is the same folder. */
  get name(): string {
    this.#name ??= `folder:${realPath(this.#options.path)}`
    return this.#name
  }

  get stats(): FeedStats {
    return this.#scan.stats
  }

  async *read(cursor: FolderCursor | undefined, signal: AbortSignal): AsyncGenerator<FeedBatch<FolderCursor>> {
    const scan = this.#newScan(cursor, this.#leftOut())
    this.#scan = scan
    if (!this.#options.watch) {
      yield* scan.pass(() => undefined, signal)
      return
    }
    using watch = new FolderWatch(this.#clock)
    const entering = (folder: string) => watch.enter(folder)
    yield* scan.pass(entering, signal)
    while (await watch.changed(signal)) yield* scan.passAgain(entering, signal)
  }

  /** The keys of the folders that are not entered. */
  #leftOut(): readonly string[] {
    const { path, except = [] } = this.#options
    const root = realPath(path)
    const inside = except.map((folder) => pathInside(root, realPath(folder)))
    return inside.filter((key) => key !== undefined).map((key) => key.split(sep).join('/'))
  }

  #newScan(cursor: FolderCursor | undefined, leftOut: readonly string[]): FolderScan {
    const { path, allowEmpty = false, maxFileBytes = 8 * 1024 * 1024 } = this.#options
    return new FolderScan(cursor, {
      root: resolve(path),
      selection: selection(this.#options, leftOut),
      allowEmpty,
      maxFileBytes,
      clock: this.#clock,
    })
  }
}
