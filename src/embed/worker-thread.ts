import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../clock.ts'
import { reasonOf, StreamError } from '../errors.ts'
import type { FromWorker, Outgoing, ToWorker } from './worker-protocol.ts'

export interface WorkerThreadOptions<Setup> {
  /** Names the worker in errors: `model "all-MiniLM-L6-v2", worker 1`. */
  readonly name: string
  /** The file that the thread runs; it calls `serveRequests`. */
  readonly entry: URL
  readonly setup: Setup
  readonly clock: Clock
}

interface Pending<Request, Reply> {
  /** Makes the message anew each time: what was sent before has moved to the other thread. */
  readonly make: () => Outgoing<Request>
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: StreamError) => void
}

/** A worker file of this folder. The sources run as .ts, the package as .js: the worker is of the same kind as this file. */
export function workerFile(name: string): URL {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url)
}

/** Crashes in a row, without an answer between them, that are answered by a restart. */
const maxRestartsInARow = 3
const closeTimeoutMs = 5_000

type State = 'closed' | 'opening' | 'running' | 'restarting' | 'closing'

/**
 * A worker thread that outlives its crashes: it is started again and gets the unanswered requests again, in order. That is safe
 * because requests are pure functions.
 *
 *   closed --open()--> opening --ready--> running --crash--> restarting --ready--> running
 *     ^                   |                  |                   |
 *     +---- cannot start -+     close() -> closing     too many crashes -> closed
 */
export class WorkerThread<Setup, Ready, Request, Reply> {
  readonly #options: WorkerThreadOptions<Setup>
  readonly #pending = new Map<number, Pending<Request, Reply>>()
  #state: State = 'closed'
  #worker: Worker | undefined
  #nextId = 0
  #restartsInARow = 0
  #restarts = 0

  constructor(options: WorkerThreadOptions<Setup>) {
    this.#options = options
  }

  /** It works, or will after the restart that is under way. */
  get isUsable(): boolean {
    return this.#state === 'running' || this.#state === 'restarting'
  }

  /** Restarts after a crash, since it was made. */
  get restarts(): number {
    return this.#restarts
  }

  /** Resolves when the worker can work. Throws MODEL_INVALID with the worker's own reason, EMBED_FAILED when it crashes. */
  async open(): Promise<Ready> {
    this.#state = 'opening'
    this.#restartsInARow = 0
    return this.#start()
  }

  /** `make` may be called again after a crash. Rejects with EMBED_FAILED. */
  run(make: () => Outgoing<Request>): Promise<Reply> {
    if (!this.isUsable) return Promise.reject(this.#failure('is not running'))
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { make, resolve, reject })
      if (this.#state === 'running') this.#send(id, make())
    })
  }

  /**
   * Lets the requests end that the worker has, within a deadline. After that the worker is left alone, and does not keep the process
   * alive: ending it by force in the middle of native code would abort the process.
   */
  async close(): Promise<void> {
    const worker = this.#worker
    if (!worker || this.#state === 'closing') return
    this.#state = 'closing'
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(closeTimeoutMs, () => {
        worker.unref()
        this.#ended(this.#failure('did not stop in time'))
        resolve()
      })
      worker.once('exit', () => {
        cancel()
        resolve()
      })
      worker.postMessage({ kind: 'close' } satisfies ToWorker<Request>)
    })
  }

  #start(): Promise<Ready> {
    const { entry, setup, name } = this.#options
    // The flags of the process are about its own entry: `--eval` and `--input-type` would keep the worker from starting.
    const worker = new Worker(entry, { workerData: setup, name, execArgv: [] })
    this.#worker = worker
    let crash: unknown
    return new Promise((resolve, reject) => {
      worker.on('error', (error) => {
        crash = error
      })
      worker.on('message', (message: FromWorker<Ready, Reply>) => {
        if (message.kind === 'unusable')
          reject(new StreamError('MODEL_INVALID', `${name} cannot start: ${message.reason}`))
        else if (message.kind === 'ready') {
          this.#resume()
          resolve(message.ready)
        } else this.#settle(message)
      })
      worker.on('exit', (code) => {
        const error = this.#failure(crash === undefined ? `stopped with exit code ${code}` : 'crashed', crash)
        reject(error)
        this.#ended(error)
      })
    })
  }

  #resume(): void {
    if (this.#state === 'closing') return
    this.#state = 'running'
    for (const [id, { make }] of this.#pending) this.#send(id, make())
  }

  #send(id: number, { message, transfer }: Outgoing<Request>): void {
    this.#worker?.postMessage({ kind: 'request', id, request: message } satisfies ToWorker<Request>, [...transfer])
  }

  #settle(message: Extract<FromWorker<Ready, Reply>, { id: number }>): void {
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    this.#restartsInARow = 0
    if (message.kind === 'reply') pending?.resolve(message.reply)
    else pending?.reject(this.#failure(`failed: ${message.reason}`))
  }

  /** The thread is gone: restart it, unless that was wanted or is hopeless. */
  #ended(error: StreamError): void {
    this.#worker = undefined
    const mayRestart = this.isUsable && this.#restartsInARow < maxRestartsInARow
    if (!mayRestart) {
      this.#state = 'closed'
      for (const pending of this.#pending.values()) pending.reject(error)
      this.#pending.clear()
      return
    }
    this.#state = 'restarting'
    this.#restartsInARow++
    this.#restarts++
    // A restart that fails ends its thread too, which comes back here.
    this.#start().catch(() => undefined)
  }

  #failure(what: string, cause?: unknown): StreamError {
    const reason = cause === undefined ? '' : `: ${reasonOf(cause)}`
    return new StreamError('EMBED_FAILED', `${this.#options.name} ${what}${reason}`, { cause })
  }
}
