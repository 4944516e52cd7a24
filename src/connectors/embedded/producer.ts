import { StreamError } from '../../errors.ts'
import type { Producer, ProducerRecord, Transaction } from '../../runtime/broker.ts'
import type { EmbeddedLog } from './log.ts'

/** Writes records without a transaction. */
export class PlainProducer implements Producer {
  readonly #log: EmbeddedLog
  readonly #told: (producer: Producer) => void
  #closed = false

  /** `closed` is called when nobody needs to close it any more. */
  constructor(log: EmbeddedLog, closed: (producer: Producer) => void) {
    this.#log = log
    this.#told = closed
  }

  async send(records: readonly ProducerRecord[], guard?: () => void): Promise<readonly number[]> {
    if (this.#closed) throw new StreamError('BROKER_CLOSED', 'the producer is closed')
    guard?.()
    return this.#log.append(records)
  }

  async begin(): Promise<Transaction> {
    throw new StreamError('ILLEGAL_STATE', 'a producer without a transactional id cannot begin a transaction')
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#told(this)
  }
}
