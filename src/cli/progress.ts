import type { Clock } from '../clock.ts'

/** What a progress line shows. `total` is missing while it is not known. */
export interface ProgressState {
  readonly label: string
  readonly done: number
  readonly total?: number
  readonly note?: string
}

const barWidth = 24
const terminalIntervalMs = 100
const linesIntervalMs = 1_000

/**
 * Shows how far something is on stderr when that has changed: a bar on a terminal; everywhere else a JSON line, at most one a second. Shows
 * nothing while there is nothing to do (a total of 0).
 *
 * @example
 * const progress = new ProgressDisplay(systemClock, () => ({ label: 'indexing', done, total }))
 * ...
 * progress.stop()
 */
export class ProgressDisplay {
  readonly #clock: Clock
  readonly #state: () => ProgressState
  readonly #terminal = process.stderr.isTTY === true
  #cancel: () => void
  #stopped = false
  /** What stands there now. */
  #shown = ''

  constructor(clock: Clock, state: () => ProgressState) {
    this.#clock = clock
    this.#state = state
    this.#cancel = this.#schedule()
  }

  /** Takes the bar away. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancel()
    if (this.#terminal) process.stderr.write('\r\u001b[K')
  }

  #schedule(): () => void {
    return this.#clock.after(this.#terminal ? terminalIntervalMs : linesIntervalMs, () => {
      this.#show(this.#state())
      this.#cancel = this.#schedule()
    })
  }

  #show(state: ProgressState): void {
    const shown = this.#terminal ? `\r\u001b[K${bar(state)}` : `${JSON.stringify({ progress: state })}\n`
    if (state.total === 0 || shown === this.#shown) return
    process.stderr.write(shown)
    this.#shown = shown
  }
}

/** `indexing  [############------------]  512/1,024  note` */
export function bar({ label, done, total, note }: ProgressState): string {
  const count =
    total === undefined ? done.toLocaleString('en') : `${done.toLocaleString('en')}/${total.toLocaleString('en')}`
  const filled = total === undefined ? 0 : Math.round((barWidth * Math.min(done, total)) / Math.max(1, total))
  const drawn = total === undefined ? '' : `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]`
  return [label, drawn, count, note].filter(Boolean).join('  ')
}
