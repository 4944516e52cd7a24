import { type FSWatcher, watch } from 'node:fs'
import { basename, sep } from 'node:path'
import { type Clock, delay } from '../../clock.ts'

/** One save can be several events: they are looked at together. */
const debounceMs = 200
/** Events can be lost (network drives, full queues): however quiet it is, a look now and then. */
const quietMs = 30_000
/** The system gives no events for a part of the folder. */
const blindMs = 2_000

/**
 * Tells when to look at a folder again. An event only says that something happened somewhere: the next look finds out what, so an
 * event that is lost or comes twice does no harm. Watches folder by folder, as the scan enters them: folders that are left out cost
 * nothing, and nothing can happen in a new one between its look and its watch.
 */
export class FolderWatch implements Disposable {
  readonly #clock: Clock
  readonly #watchers = new Map<string, FSWatcher>()
  #entered = new Set<string>()
  #pending = false
  #blind = false
  #wake: () => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Watches this folder from now on; call it before reading the names in it. */
  enter(folder: string): void {
    this.#entered.add(folder)
    if (this.#watchers.has(folder)) return
    try {
      const watcher = watch(folder, (event, name) => this.#notice(event, folder, name))
      watcher.on('error', () => this.#lose(folder))
      this.#watchers.set(folder, watcher)
    } catch {
      // Too many watches, or the folder has gone: looking more often does instead.
      this.#blind = true
    }
  }

  /** Resolves with true when it is time for the next look, with false when the signal aborts. */
  async changed(signal: AbortSignal): Promise<boolean> {
    for (const folder of this.#watchers.keys()) if (!this.#entered.has(folder)) this.#forget(folder)
    if (!this.#pending) await this.#event(this.#blind ? blindMs : quietMs, signal)
    await delay(this.#clock, debounceMs, signal).catch(() => undefined)
    this.#pending = false
    this.#blind = false
    this.#entered = new Set()
    return !signal.aborted
  }

  async #event(atMostMs: number, signal: AbortSignal): Promise<void> {
    const awake = new AbortController()
    this.#wake = () => awake.abort()
    await delay(this.#clock, atMostMs, AbortSignal.any([awake.signal, signal])).catch(() => undefined)
  }

  #notice(event: string, folder: string, name: string | null): void {
    // A folder that is deleted or moved away tells its own name. What is at its place later needs a watcher of its own.
    if (event === 'rename' && name === basename(folder)) this.#forget(folder)
    this.#pending = true
    this.#wake()
  }

  #lose(folder: string): void {
    this.#forget(folder)
    this.#blind = true
    this.#pending = true
    this.#wake()
  }

  #forget(folder: string): void {
    for (const [path, watcher] of this.#watchers) {
      if (path !== folder && !path.startsWith(folder + sep)) continue
      watcher.close()
      this.#watchers.delete(path)
    }
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }
}
