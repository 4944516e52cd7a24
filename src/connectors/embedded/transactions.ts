import type { Cancel, Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { CommitOffset, Producer, ProducerRecord, Transaction } from '../../runtime/broker.ts'
import type { ByteChange } from '../../state/store.ts'
import type { Draft } from './draft.ts'
import type { EmbeddedLog } from './log.ts'

const defaultTransactionTimeoutMs = 60_000
/** The records of a transaction wait in memory for its commit. */
const maxTransactionBytes = 128 * 1024 * 1024

export interface TransactionContext {
  readonly log: EmbeddedLog
  readonly clock: Clock
}

export interface TransactionalProducerOptions {
  /** How long a transaction may stay open. Milliseconds, default 60,000. */
  readonly timeoutMs?: number | undefined
  /** Called when nobody needs to close the producer any more. */
  readonly closed?: (producer: Producer) => void
}

/**
 * The current producer of each transactional id. One process owns the log, so this need not be stored: after a crash there is no older
 * producer that could still write.
 */
export class TransactionalProducers {
  readonly #context: TransactionContext
  readonly #current = new Map<string, TransactionalProducer>()

  constructor(context: TransactionContext) {
    this.#context = context
  }

  /** Fences the older producer of the id and aborts its transaction; a commit of it that is already being written is waited for. */
  async create(id: string, options: TransactionalProducerOptions = {}): Promise<TransactionalProducer> {
    this.#current.get(id)?.fence(`a newer producer of transactional id "${id}" exists`)
    const producer = new TransactionalProducer(options, this.#context)
    this.#current.set(id, producer)
    await this.#context.log.flush()
    return producer
  }
}

/** Writes records in transactions, one after the other. */
export class TransactionalProducer implements Producer {
  readonly #timeoutMs: number
  readonly #told: (producer: Producer) => void
  readonly #context: TransactionContext
  #transaction: EmbeddedTransaction | undefined
  #refusal: StreamError | undefined
  #cancelTimeout: Cancel | undefined

  constructor(options: TransactionalProducerOptions, context: TransactionContext) {
    this.#timeoutMs = options.timeoutMs ?? defaultTransactionTimeoutMs
    this.#told = options.closed ?? (() => undefined)
    this.#context = context
  }

  async send(): Promise<never> {
    throw new StreamError('ILLEGAL_STATE', 'a producer with a transactional id sends inside of transactions only')
  }

  async begin(): Promise<Transaction> {
    if (this.#refusal) throw this.#refusal
    if (this.#transaction?.isOpen) throw new StreamError('ILLEGAL_STATE', 'a transaction is open already')
    this.#cancelTimeout?.()
    const transaction = new EmbeddedTransaction(this.#context.log)
    this.#transaction = transaction
    this.#cancelTimeout = this.#context.clock.after(this.#timeoutMs, () => {
      if (transaction.isOpen) this.fence(`the transaction was open for longer than ${this.#timeoutMs} ms`)
    })
    return transaction
  }

  /** Aborts the open transaction, and refuses every further step. */
  fence(fact: string): void {
    this.#refuse(new StreamError('MEMBER_FENCED', fact))
  }

  async close(): Promise<void> {
    this.#refuse(new StreamError('BROKER_CLOSED', 'the producer is closed'))
    this.#told(this)
  }

  #refuse(refusal: StreamError): void {
    this.#refusal ??= refusal
    this.#cancelTimeout?.()
    this.#transaction?.refuse(this.#refusal)
  }
}

/**
 *    open --commit--> committing --> ended
 *     |  \--abort, refused by the producer--> ended
 *     +--a step failed--> broken --commit (refused), abort--> ended
 */
type TransactionState = 'open' | 'broken' | 'committing' | 'ended'

class EmbeddedTransaction implements Transaction {
  readonly #log: EmbeddedLog
  #state: TransactionState = 'open'
  #refusal: StreamError | undefined
  #drafts: Draft[] = []
  #offsets: ByteChange[] = []
  #bytes = 0

  constructor(log: EmbeddedLog) {
    this.#log = log
  }

  get isOpen(): boolean {
    return this.#state !== 'ended'
  }

  /** The offsets are reserved at once; the records become visible with the commit. */
  async send(records: readonly ProducerRecord[]): Promise<readonly number[]> {
    return this.#step(() => {
      const added = this.#log.draft(records)
      this.#drafts.push(added)
      this.#bytes += added.bytes
      if (this.#bytes <= maxTransactionBytes) return added.offsets
      const limit = `${maxTransactionBytes / 1024 / 1024} MiB`
      throw new StreamError('PRODUCE_FAILED', `the transaction is larger than ${limit}`, {
        fix: 'Commit more often.',
      })
    })
  }

  async sendOffsets(group: string, offsets: readonly CommitOffset[]): Promise<void> {
    this.#step(() => this.#offsets.push(...this.#log.commitChanges(group, offsets)))
  }

  async commit(): Promise<void> {
    this.#checkUsable()
    if (this.#state === 'broken') {
      this.#end()
      throw new StreamError('PRODUCE_FAILED', 'a step of the transaction failed, so that it cannot be committed', {
        fix: 'Make a new producer and read what was committed.',
      })
    }
    this.#state = 'committing'
    try {
      await this.#log.persist(this.#drafts, this.#offsets)
    } finally {
      this.#end()
    }
  }

  async abort(): Promise<void> {
    this.#checkUsable()
    this.#end()
  }

  /** A commit that is already being written goes through: it came before whatever the reason is. */
  refuse(refusal: StreamError): void {
    this.#refusal = refusal
    if (this.#state === 'open' || this.#state === 'broken') this.#end()
  }

  #step<T>(action: () => T): T {
    this.#checkUsable()
    try {
      return action()
    } catch (error) {
      this.#state = 'broken'
      throw error
    }
  }

  #checkUsable(): void {
    if (this.#refusal) throw this.#refusal
    if (this.#state === 'open' || this.#state === 'broken') return
    throw new StreamError('ILLEGAL_STATE', `the transaction is ${this.#state} already`)
  }

  #end(): void {
    this.#state = 'ended'
    for (const each of this.#drafts) each.settle()
    this.#drafts = []
    this.#offsets = []
  }
}
