import { type Clock, delay } from '../../../clock.ts'
import { StreamError, toStreamError } from '../../../errors.ts'
import type { PackedRecord } from './packing.ts'
import type { PackedBatch, RecordOutcome } from './protocol.ts'

/** A transaction of 512 points takes the database thread about 80 ms: no search waits longer for its turn. */
const maxBatchOperations = 512
/** Ordinary chunks never reach this; a few huge ones do, and their batch is copied on its way to the thread. */
const maxBatchCharacters = 8_000_000
const firstRetryMs = 100
const maxRetryMs = 5_000

interface Write {
  /** Who asked: a writer that closes takes back what it has not sent yet. */
  readonly owner: object
  readonly record: PackedRecord
  readonly signal: AbortSignal
  resolve(): void
  reject(reason: unknown): void
}

/** Commits a batch in one transaction. */
export type Commit = (batch: PackedBatch) => Promise<readonly RecordOutcome[]>

/**
 * Group commit: while one transaction is on its way, the next one collects. The gate in front of the writers bounds what waits here.
 * A failure that passes (file busy) is tried again until the writes are given up.
 */
export class WriteQueue {
  readonly #commit: Commit
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #waiting: Write[] = []
  #draining = false
  #transaction: Promise<boolean> | undefined

  constructor(commit: Commit, clock: Clock) {
    this.#commit = commit
    this.#clock = clock
  }

  /** Resolves when the record is committed; rejects with INDEX_REJECTED or INDEX_DRIFTED when the database refuses this record. */
  write(owner: object, record: PackedRecord, signal: AbortSignal): Promise<void> {
    const stop = [this.#closing.signal, signal].find(({ aborted }) => aborted)
    if (stop) return Promise.reject(stop.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const write: Write = { owner, record, signal, resolve, reject }
    // What is on its way is left to finish: it takes milliseconds, and then its outcome is known.
    const giveUp = () => this.#drop((other) => other === write, signal.reason)
    signal.addEventListener('abort', giveUp)
    this.#waiting.push(write)
    void this.#drain()
    return promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  /** Rejects what this owner has not sent yet, and waits for what is on its way. */
  async release(owner: object, reason: StreamError): Promise<void> {
    const owned = (write: Write) => write.owner === owner
    this.#drop(owned, reason)
    await this.#transaction
    // A transaction that failed and may be tried again is back in the queue.
    this.#drop(owned, reason)
  }

  /** Rejects everything that was not sent yet, and everything that comes later. */
  close(reason: StreamError): void {
    this.#closing.abort(reason)
    this.#drop(() => true, reason)
  }

  #drop(which: (write: Write) => boolean, reason: unknown): void {
    const dropped = this.#waiting.filter(which)
    this.#waiting = this.#waiting.filter((write) => !which(write))
    for (const write of dropped) write.reject(reason)
  }

  async #drain(): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    // Writes that are issued in one go share the first transaction.
    await Promise.resolve()
    let failures = 0
    while (this.#waiting.length > 0) {
      this.#transaction = this.#send(this.#takeBatch())
      failures = (await this.#transaction) ? 0 : failures + 1
      if (failures > 0) await this.#pause(failures)
    }
    this.#draining = false
  }

  /** As many records as fit; a record is never split, so that its document changes as a whole. */
  #takeBatch(): readonly Write[] {
    let operations = 0
    let characters = 0
    const end = this.#waiting.findIndex(({ record }, i) => {
      operations += record.points + record.payloads + record.deletes
      characters += record.characters
      return i > 0 && (operations > maxBatchOperations || characters > maxBatchCharacters)
    })
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end)
  }

  /** False when the batch is back in the queue, to be sent again. */
  async #send(batch: readonly Write[]): Promise<boolean> {
    try {
      const outcomes = await this.#commit(packBatch(batch))
      for (const [i, write] of batch.entries()) settle(write, outcomes[i])
      return true
    } catch (cause) {
      const error = toStreamError(cause, 'ILLEGAL_STATE', 'the transaction failed')
      const again = error.reaction === 'retry' && !this.#closing.signal.aborted
      for (const write of batch) if (!again || write.signal.aborted) write.reject(write.signal.reason ?? error)
      if (again) this.#waiting.unshift(...batch.filter(({ signal }) => !signal.aborted))
      return !again
    }
  }

  async #pause(failures: number): Promise<void> {
    const pauseMs = Math.min(maxRetryMs, firstRetryMs * 2 ** (failures - 1))
    // Closing ends the pause; the queue is empty then.
    await delay(this.#clock, pauseMs, this.#closing.signal).catch(() => undefined)
  }
}

function settle(write: Write, outcome: RecordOutcome | undefined): void {
  if (outcome?.kind === 'written') write.resolve()
  else if (outcome) write.reject(new StreamError(outcome.code, outcome.reason))
  else write.reject(new StreamError('ILLEGAL_STATE', 'a record was lost in its batch'))
}

function packBatch(batch: readonly Write[]): PackedBatch {
  const all = batch.flatMap(({ record }) => record.vectors)
  const vectors = new Float32Array(all.reduce((length, vector) => length + vector.length, 0))
  let end = 0
  for (const vector of all) {
    vectors.set(vector, end)
    end += vector.length
  }
  return { records: batch.map(({ record }) => record.operations), vectors }
}
