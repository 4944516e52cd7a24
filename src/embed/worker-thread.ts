import { Worker } from 'node:worker_threads'
import type { Cancel, Clock } from '../clock.ts'
import { reasonOf, StreamError } from '../errors.ts'
import type { FromWorker, Outgoing, ToWorker } from './worker-protocol.ts'

export interface WorkerThreadOptions<Setup> {
  /** Names the worker in errors: `model "all-MiniLM-L6-v2", worker 1`. */
  readonly name: string
  /** The file that the thread runs; it calls `serveRequests`. */
  readonly entry: URL
  /** Called for every start. The thread loads its modules meanwhile, so it may be a promise of what is not known yet. */
  readonly setup: () => Setup | Promise<Setup>
  readonly clock: Clock
  /** Milliseconds that a request may take. The worker is then replaced, and the request fails. */
  readonly requestTimeoutMs: number
  /** Milliseconds until a worker that was started must be ready. Default 120,000: large weights on a slow disk take a minute. */
  readonly startTimeoutMs?: number
  /**
   * Whether the thread can be ended by force. One that cannot is left alone, does not keep the process alive, and ends when it comes
   * back. Default: always.
   */
  readonly mayTerminate?: () => boolean
}

interface Pending<Request, Reply> {
  /** Makes the message anew each time: what was sent before has moved to the other thread. */
  readonly make: () => Outgoing<Request>
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: StreamError) => void
  /** Times that the worker crashed while it had this request in hand. */
  crashes: number
}

/** Crashes in a row, without an answer between them, that are answered by a restart. A request that causes so many fails. */
const maxRestartsInARow = 3
const closeTimeoutMs = 5_000
const defaultStartTimeoutMs = 120_000

type State = 'closed' | 'opening' | 'running' | 'restarting' | 'closing'

/**
 * A worker thread that outlives its crashes: it is started again and gets the unanswered requests again, in order. That is safe
 * because requests are pure functions. A request that the worker cannot bear fails alone: one that crashes it again and again, and
 * one that it does not finish in time. It keeps the process alive only while it has something to do.
 *
 *   closed --open()--> opening --ready--> running --crash, hang--> restarting --ready--> running
 *     ^                   |                  |                         |
 *     +---- cannot start -+     close() -> closing         too many crashes -> closed
 */
export class WorkerThread<Setup, Ready, Request, Reply> {
  readonly #options: WorkerThreadOptions<Setup>
  readonly #pending = new Map<number, Pending<Request, Reply>>()
  #state: State = 'closed'
  #worker: Worker | undefined
  /** The worker has its setup: what is sent to it waits there until it is open. */
  #hasSetup = false
  #opening: Promise<Ready> | undefined
  #nextId = 0
  #restartsInARow = 0
  #restarts = 0
  /** Of the start that is under way, or else of the first request. */
  #cancelDeadline: Cancel | undefined
  #rejectStart: ((error: StreamError) => void) | undefined

  constructor(options: WorkerThreadOptions<Setup>) {
    this.#options = options
  }

  /** It works, or will after the restart that is under way. */
  get isUsable(): boolean {
    return this.#state === 'running' || this.#state === 'restarting'
  }

  /** Restarts after a crash or a hang, since it was made. */
  get restarts(): number {
    return this.#restarts
  }

  /**
   * Starts the thread at once, and resolves when it can work; who asks while it is being opened, or works, gets the same one. Throws
   * what the worker says itself (MODEL_INVALID unless it names a code), EMBED_FAILED when it crashes or is not ready in time, and what
   * `setup` throws.
   */
  async open(): Promise<Ready> {
    if (this.#opening && (this.#state === 'opening' || this.isUsable)) return this.#opening
    this.#state = 'opening'
    this.#restartsInARow = 0
    this.#opening = this.#start()
    return this.#opening
  }

  /** It may be asked while it is being opened. `make` may be called again after a restart. Rejects with EMBED_FAILED. */
  run(make: () => Outgoing<Request>): Promise<Reply> {
    if (!this.isUsable && this.#state !== 'opening') return Promise.reject(this.#failure('is not running'))
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { make, resolve, reject, crashes: 0 })
      if (this.#hasSetup) this.#send(id, make())
      if (this.#state === 'running' && this.#pending.size === 1) this.#watchFirst()
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
    this.#cancelDeadline?.()
    worker.ref()
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
      worker.postMessage({ kind: 'close' } satisfies ToWorker<Setup, Request>)
    })
  }

  #start(): Promise<Ready> {
    const { entry, name } = this.#options
    let worker: Worker
    try {
      // The flags of the process are about its own entry: `--eval` and `--input-type` would keep the worker from starting.
      worker = new Worker(entry, { name, execArgv: [] })
    } catch (cause) {
      const error = this.#failure('cannot get a thread', cause)
      this.#ended(error)
      return Promise.reject(error)
    }
    this.#worker = worker
    this.#hasSetup = false
    this.#watchStart(worker)
    let crash: unknown
    return new Promise((resolve, reject) => {
      this.#rejectStart = reject
      worker.on('error', (error) => {
        crash = error
      })
      worker.on('message', (message: FromWorker<Ready, Reply>) => {
        if (this.#worker !== worker) reject(this.#failure('was given up before it was ready'))
        else if (message.kind === 'unusable')
          reject(new StreamError(message.code, `${name} cannot start: ${message.reason}`))
        else if (message.kind === 'ready') {
          this.#resume()
          resolve(message.ready)
        } else this.#settle(message)
      })
      worker.on('exit', (code) => {
        const error = this.#failure(crash === undefined ? `stopped with exit code ${code}` : 'crashed', crash)
        reject(error)
        if (this.#worker === worker) this.#ended(error)
      })
      this.#sendSetup(worker).catch(reject)
    })
  }

  /** Then the requests that have no answer. A thread without a setup is of no use: it ends. */
  async #sendSetup(worker: Worker): Promise<void> {
    const tell = (message: ToWorker<Setup, Request>) => worker.postMessage(message)
    try {
      tell({ kind: 'open', setup: await this.#options.setup() })
    } catch (error) {
      tell({ kind: 'close' })
      throw error
    }
    if (this.#worker !== worker) return
    this.#hasSetup = true
    for (const [id, { make }] of this.#pending) this.#send(id, make())
  }

  #watchStart(worker: Worker): void {
    const { clock, startTimeoutMs = defaultStartTimeoutMs } = this.#options
    this.#cancelDeadline?.()
    this.#cancelDeadline = clock.after(startTimeoutMs, () => {
      this.#leave(worker)
      this.#ended(this.#failure(`was not ready within ${startTimeoutMs} ms`))
    })
  }

  #resume(): void {
    if (this.#state === 'closing') return
    this.#state = 'running'
    this.#watchFirst()
  }

  /** Requests are answered in order: the first one that is not answered is the one that the worker has in hand. */
  #watchFirst(): void {
    this.#cancelDeadline?.()
    if (this.#state !== 'running') return
    const [first] = this.#pending.keys()
    if (first === undefined) {
      this.#worker?.unref()
      return
    }
    this.#worker?.ref()
    const { clock, requestTimeoutMs } = this.#options
    this.#cancelDeadline = clock.after(requestTimeoutMs, () => this.#replace(first))
  }

  /** Another thread takes the place of the one that hangs, and gets the other requests. */
  #replace(hanging: number): void {
    if (this.#worker) this.#leave(this.#worker)
    this.#fail(hanging, this.#failure(`did not answer within ${this.#options.requestTimeoutMs} ms`))
    this.#restart()
  }

  /** Ends a worker that hangs, or leaves it to itself where it cannot be ended. */
  #leave(worker: Worker): void {
    if (this.#options.mayTerminate?.() ?? true) void worker.terminate()
    else {
      worker.unref()
      worker.postMessage({ kind: 'close' } satisfies ToWorker<Setup, Request>)
    }
  }

  #send(id: number, { message, transfer }: Outgoing<Request>): void {
    this.#worker?.postMessage({ kind: 'request', id, request: message } satisfies ToWorker<Setup, Request>, [
      ...transfer,
    ])
  }

  #settle(message: Extract<FromWorker<Ready, Reply>, { id: number }>): void {
    const pending = this.#pending.get(message.id)
    this.#restartsInARow = 0
    if (message.kind === 'failed') this.#fail(message.id, this.#failure(`failed: ${message.reason}`))
    else {
      this.#pending.delete(message.id)
      pending?.resolve(message.reply)
    }
    this.#watchFirst()
  }

  #fail(id: number, error: StreamError): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.reject(error)
  }

  /** The thread is gone: restart it, unless that was wanted or is hopeless. */
  #ended(error: StreamError): void {
    this.#worker = undefined
    this.#cancelDeadline?.()
    this.#rejectStart?.(error)
    if (this.#state === 'running') this.#blame(error)
    if (this.isUsable && this.#restartsInARow < maxRestartsInARow) {
      this.#restartsInARow++
      this.#restart()
      return
    }
    this.#state = 'closed'
    for (const id of [...this.#pending.keys()]) this.#fail(id, error)
  }

  /** The request that the worker had in hand may be why it crashed; others shall not suffer for it. */
  #blame(error: StreamError): void {
    const [first] = this.#pending
    if (!first) return
    const [id, pending] = first
    if (++pending.crashes < maxRestartsInARow) return
    this.#fail(id, error)
    this.#restartsInARow = 0
  }

  #restart(): void {
    this.#state = 'restarting'
    this.#restarts++
    // A restart that fails ends its thread too, which comes back here.
    this.#start().catch(() => undefined)
  }

  #failure(what: string, cause?: unknown): StreamError {
    const reason = cause === undefined ? '' : `: ${reasonOf(cause)}`
    return new StreamError('EMBED_FAILED', `${this.#options.name} ${what}${reason}`, { cause })
  }
}
