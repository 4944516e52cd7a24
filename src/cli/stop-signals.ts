/**
 * Notices SIGINT and SIGTERM from when it is made until it is disposed. The first one aborts `signal`, the second one ends the process at
 * once.
 *
 * @example
 * using stop = new StopSignals()
 * await work(stop.signal)
 */
export class StopSignals implements Disposable {
  readonly #controller = new AbortController()
  readonly #onStop: () => void

  /** Calls `onStop` at the first signal. */
  constructor(onStop: () => void = () => undefined) {
    this.#onStop = onStop
    process.on('SIGINT', this.#handle).on('SIGTERM', this.#handle)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What a process that was stopped before it had finished ends with. */
  get exitCode(): number {
    return exitCodeOfStop(this.signal.reason) ?? 1
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#handle).off('SIGTERM', this.#handle)
  }

  readonly #handle = (name: NodeJS.Signals): void => {
    if (this.signal.aborted) process.exit(exitCodeOfStop(name))
    this.#controller.abort(name)
    this.#onStop()
  }
}

const exitCodes: ReadonlyMap<unknown, number> = new Map([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])

/**
 * What a command that was stopped ends with, as shells count. Undefined for whatever is not the reason of a `StopSignals`, which work that
 * was aborted rejects with.
 */
export function exitCodeOfStop(reason: unknown): number | undefined {
  return exitCodes.get(reason)
}

/** Resolves with true when the work is done, with false when the signal aborts first; the work then goes on unwatched. */
export async function doneBefore(signal: AbortSignal, work: Promise<unknown>): Promise<boolean> {
  const aborted = Promise.withResolvers<false>()
  const abort = () => aborted.resolve(false)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([aborted.promise, work.then(() => true)])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
