import type { Dirent, Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StreamError } from '../../errors.ts'
import type { FeedProblem } from '../../topology/feed.ts'
import { errorReason, isGone } from './file-errors.ts'
import type { Selection } from './selection.ts'

export interface FoundFile {
  /** Path in the folder, with forward slashes. */
  readonly key: string
  readonly stats: Stats
}

export interface WalkedFolder {
  /** The selected files, sorted by key. */
  readonly files: readonly FoundFile[]
  /** Keys of files and folders that are there but cannot be looked at: what was known of them is still the truth. */
  readonly unreadable: readonly string[]
  readonly problems: readonly FeedProblem[]
}

export interface WalkOptions {
  readonly root: string
  readonly selection: Selection
  /** Called with the absolute path of every folder before its names are read. */
  readonly entering: (folder: string) => void
  readonly signal: AbortSignal
}

/**
 * Lists the selected files of a folder. Links to files are read like files; links to folders are not followed, so there are no loops.
 *
 * Errors: SOURCE_MISSING when the folder itself is not there, SOURCE_UNREADABLE when it cannot be read.
 */
export function walk(options: WalkOptions): Promise<WalkedFolder> {
  return new Walk(options).run()
}

class Walk {
  readonly #options: WalkOptions
  readonly #files: FoundFile[] = []
  readonly #unreadable: string[] = []
  readonly #problems: FeedProblem[] = []

  constructor(options: WalkOptions) {
    this.#options = options
  }

  async run(): Promise<WalkedFolder> {
    const folders = await this.#visit('')
    for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
      if (this.#options.signal.aborted) break
      folders.push(...(await this.#visit(next)))
    }
    this.#files.sort((a, b) => (a.key < b.key ? -1 : 1))
    return { files: this.#files, unreadable: this.#unreadable, problems: this.#problems }
  }

  /** Notes the files of one folder and returns the keys of the folders in it. */
  async #visit(folder: string): Promise<string[]> {
    const inside: string[] = []
    for (const entry of await this.#names(folder)) {
      const key = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (this.#options.selection.ignores(key)) continue
      if (entry.isDirectory()) inside.push(key)
      else if (this.#options.selection.selects(key)) await this.#note(key, entry)
    }
    return inside
  }

  async #names(folder: string): Promise<Dirent[]> {
    const path = join(this.#options.root, folder)
    this.#options.entering(path)
    try {
      return await readdir(path, { withFileTypes: true })
    } catch (error) {
      if (folder === '') throw rootError(path, error)
      if (!isGone(error)) this.#refuse(folder, error)
      return []
    }
  }

  async #note(key: string, entry: Dirent): Promise<void> {
    try {
      const stats = await stat(join(this.#options.root, key))
      if (stats.isFile()) this.#files.push({ key, stats })
    } catch (error) {
      if (!isGone(error)) return this.#refuse(key, error)
      if (entry.isSymbolicLink()) this.#problems.push({ place: key, reason: 'the link leads nowhere' })
      // Node shows bytes that are not UTF-8 as U+FFFD, and then does not find the file by that name.
      else if (entry.name.includes('\ufffd')) this.#problems.push({ place: key, reason: 'the name is not valid UTF-8' })
    }
  }

  #refuse(key: string, error: unknown): void {
    this.#unreadable.push(key)
    this.#problems.push({ place: key, reason: errorReason(error) })
  }
}

function rootError(path: string, cause: unknown): StreamError {
  return isGone(cause)
    ? new StreamError('SOURCE_MISSING', `there is no folder ${path}`, { cause })
    : new StreamError('SOURCE_UNREADABLE', `the folder ${path} cannot be read: ${errorReason(cause)}`, { cause })
}
