import { type Clock, delay } from '../../clock.ts'
import { isStreamError, StreamError, toStreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Lease } from '../../topology/processor.ts'
import type { CommitOffset, Producer, ProducerRecord, Transaction } from '../broker.ts'
import { retrying } from '../retry.ts'
import { requireLease } from './group-lease.ts'

export interface TaskTransactionsOptions {
  readonly group: string
  /** Opens a producer with the transactional id of the task, which fences every older one. */
  readonly openProducer: () => Promise<Producer>
  /** Without it no producer is opened anew: that would fence a successor. */
  readonly lease: Lease
  readonly clock: Clock
  readonly logger: Logger
}

/** What one transaction makes visible. */
export interface TransactionContent {
  readonly outputs: readonly ProducerRecord[]
  readonly changelogs: readonly ProducerRecord[]
  readonly offsets: readonly CommitOffset[]
}

/** The broker will never take this output; the transaction was not committed. */
export interface RefusedOutput {
  readonly refused: ProducerRecord
  readonly error: StreamError
}

const firstDelayMs = 100
const longestDelayMs = 10_000

/**
 * The transactions of one task, one after the other: outputs, changelogs and offsets of a generation become visible together or not at
 * all. After any failure the producer is thrown away, because only a new one knows where it stands.
 */
export class TaskTransactions {
  readonly #options: TaskTransactionsOptions
  #producer: Producer | undefined

  private constructor(options: TaskTransactionsOptions, producer: Producer) {
    this.#options = options
    this.#producer = producer
  }

  /** From here on no predecessor can commit: read what is committed after this. */
  static async open(options: TaskTransactionsOptions, signal: AbortSignal): Promise<TaskTransactions> {
    const { openProducer, clock, logger } = options
    const what = 'opening a transactional producer'
    // What is aborted for it was not committed by this task, which has read nothing yet.
    const openAnyway = () =>
      openProducer().catch((cause: unknown) => {
        if (!isStreamError(cause) || cause.code !== 'COMMIT_UNKNOWN') throw cause
        throw new StreamError('PRODUCE_FAILED', 'a transaction of the owner before was aborted', { cause })
      })
    return new TaskTransactions(options, await retrying(openAnyway, { clock, logger, signal, what }))
  }

  /**
   * Returns the offsets of the changelog records, or the output that the broker refuses. Throws COMMIT_UNKNOWN when the transaction may or
   * may not be committed, MEMBER_FENCED when a newer owner exists.
   */
  async commit(content: TransactionContent, signal: AbortSignal): Promise<readonly number[] | RefusedOutput> {
    const { clock, logger } = this.#options
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(content, signal)
      } catch (cause) {
        await this.#discard()
        const error = toStreamError(cause, 'PRODUCE_FAILED', 'a transaction failed')
        if (error.reaction !== 'retry' || signal.aborted) throw error
        logger.warn({ attempt, error: error.message }, 'a transaction was not committed; it is tried again')
        await delay(clock, Math.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** attempt), signal)
      }
    }
  }

  async close(): Promise<void> {
    await this.#discard()
  }

  async #attempt(content: TransactionContent, signal: AbortSignal): Promise<readonly number[] | RefusedOutput> {
    const { outputs, changelogs, offsets } = content
    const producer = this.#producer ?? (await this.#reopen())
    signal.throwIfAborted()
    const transaction = await producer.begin()
    const refused = await sendOutputs(transaction, outputs)
    if (refused) {
      await this.#discard()
      return refused
    }
    const written = changelogs.length > 0 ? await transaction.send(changelogs) : []
    if (offsets.length > 0) await transaction.sendOffsets(this.#options.group, offsets)
    signal.throwIfAborted()
    try {
      await transaction.commit()
    } catch (cause) {
      if (isStreamError(cause) && cause.reaction === 'migrate') throw cause
      throw new StreamError('COMMIT_UNKNOWN', 'the broker did not say whether a transaction is committed', { cause })
    }
    return written
  }

  /** Asked again afterwards: an instance that was frozen meanwhile has fenced its successor, and would commit what that has done. */
  async #reopen(): Promise<Producer> {
    const { lease, openProducer } = this.#options
    requireLease(lease)
    const producer = await openProducer()
    this.#producer = producer
    requireLease(lease)
    return producer
  }

  async #discard(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.close().catch(() => undefined)
  }
}

async function sendOutputs(
  transaction: Transaction,
  outputs: readonly ProducerRecord[],
): Promise<RefusedOutput | undefined> {
  if (outputs.length === 0) return undefined
  try {
    await transaction.send(outputs)
    return undefined
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'RECORD_REJECTED') throw error
    const refused = typeof error.details.index === 'number' ? outputs[error.details.index] : undefined
    if (!refused) throw error
    return { refused, error }
  }
}
