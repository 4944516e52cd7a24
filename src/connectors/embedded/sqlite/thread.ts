import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../clock.ts'
import { isStreamError, reasonOf, StreamError } from '../../../errors.ts'
import { ownThread } from '../../../package-folder.ts'
import type { Argument, DatabaseMethod, DatabaseRequest, DatabaseResponse, Reply } from './protocol.ts'

/** Requests beyond this many wait here, in order, where a write need not queue behind a hundred searches' worth of messages. */
const maxRequestsInFlight = 8
const closeTimeoutMs = 10_000
/** Messages die young here; V8 would take 100 MB for them on a machine with much memory. */
const maxYoungGenerationSizeMb = 16

interface Waiting {
  readonly request: DatabaseRequest
  readonly transfer: readonly ArrayBuffer[]
}

interface Answer {
  resolve(value: unknown): void
  reject(error: StreamError): void
}

/** The main thread's side of the database thread: one promise a request. */
export class DatabaseThread {
  readonly #name: string
  readonly #clock: Clock
  readonly #worker: Worker
  readonly #answers = new Map<number, Answer>()
  readonly #waiting: Waiting[] = []
  #inFlight = 0
  #sequence = 0
  #stopped: StreamError | undefined

  constructor(name: string, clock: Clock) {
    this.#name = name
    this.#clock = clock
    this.#worker = new Worker(ownThread('connectors/embedded/sqlite/worker'), {
      resourceLimits: { maxYoungGenerationSizeMb },
      // Those of the process are about its own entry: `--eval` and `--input-type` would keep the thread from starting.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    this.#worker.on('message', (response: DatabaseResponse) => this.#settle(response))
    this.#worker.on('error', (cause) => this.#stop(cause))
    this.#worker.on('exit', () => this.#stop())
  }

  /** Sends one request. What is listed in `transfer` is moved to the thread and empty here afterwards. */
  call<M extends DatabaseMethod>(
    method: M,
    argument: Argument<M>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Reply<M>> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(this.#stopped)
      const id = this.#sequence++
      this.#answers.set(id, { resolve: (value) => resolve(value as Reply<M>), reject })
      this.#waiting.push({ request: { id, method, argument }, transfer })
      this.#send()
    })
  }

  #send(): void {
    while (this.#inFlight < maxRequestsInFlight) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#inFlight++
      this.#worker.postMessage(next.request, next.transfer)
    }
  }

  #settle(response: DatabaseResponse): void {
    this.#inFlight--
    this.#send()
    const answer = this.#answers.get(response.id)
    this.#answers.delete(response.id)
    if ('value' in response) answer?.resolve(response.value)
    else answer?.reject(new StreamError(response.error.code, response.error.fact, { fix: response.error.fix }))
  }

  #stop(cause?: unknown): void {
    const reason = cause === undefined ? '' : `: ${reasonOf(cause)}`
    this.#stopped ??= isStreamError(cause)
      ? cause
      : new StreamError('INDEX_CLOSED', `the database thread of ${this.#name} has stopped${reason}`, { cause })
    this.#waiting.length = 0
    for (const answer of this.#answers.values()) answer.reject(this.#stopped)
    this.#answers.clear()
  }

  /** Answers what was asked before, closes the file and ends the thread; after ten seconds it ends the thread in any case. */
  async close(): Promise<void> {
    const cancel = this.#clock.after(closeTimeoutMs, () => void this.#worker.terminate())
    try {
      // Rejects when the thread has stopped: then there is nothing left to close.
      await this.call('close', undefined).catch(() => undefined)
    } finally {
      cancel()
      await this.#worker.terminate()
    }
  }
}
