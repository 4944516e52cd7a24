import type { Transaction as KafkaJsTransaction } from 'kafkajs'
import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { CommitOffset, Producer, ProducerOptions, ProducerRecord, Transaction } from '../../runtime/broker.ts'
import type { KafkaClientFactory } from './client.ts'
import type { ClusterConnections } from './cluster.ts'
import { isOffsetsPassing, produceError } from './errors.ts'
import { HangingTransactions } from './hanging-transactions.ts'
import { type ConnectedProducer, connectProducer } from './producer.ts'
import { sendRecords } from './sender.ts'

const offsetsAttempts = 12
const firstOffsetsPauseMs = 10
const longestOffsetsPauseMs = 1_000

export interface TransactionalOptions extends ProducerOptions {
  readonly transactionalId: string
  readonly cluster: ClusterConnections
  /** Topics of which it was said already that the user may not look there. */
  readonly deniedTopics: Set<string>
  readonly onClose: () => void
}

/** Writes records in transactions, one after the other. After a failed step it refuses everything: only a new one knows where it stands. */
export class TransactionalProducer implements Producer {
  readonly #name: string
  readonly #clock: Clock
  readonly #connected: ConnectedProducer
  readonly #hanging: HangingTransactions | undefined
  readonly #onClose: () => void
  /** Connections that had ended when the transaction before was last known to have ended everywhere. */
  #lostConnections = 0
  #isBeginning = false
  #transaction: KafkaTransaction | undefined
  #refusal: StreamError | undefined

  private constructor(connected: ConnectedProducer, { name, clock, hanging, onClose }: OpenedOptions) {
    this.#name = name
    this.#clock = clock
    this.#connected = connected
    this.#hanging = hanging
    this.#onClose = onClose
  }

  /** Fences older producers of the id at once: KafkaJS would do so with the first transaction, after offsets were read. */
  static async open(factory: KafkaClientFactory, options: TransactionalOptions): Promise<TransactionalProducer> {
    const name = `transactional producer "${options.transactionalId}"`
    const hanging = hangingTransactions(factory, options)
    let connected: ConnectedProducer | undefined
    try {
      await hanging?.end()
      connected = await connectProducer(factory, options)
      const empty = await connected.producer.transaction()
      await empty.abort()
      return new TransactionalProducer(connected, { name, clock: factory.clock, hanging, onClose: options.onClose })
    } catch (error) {
      connected?.producer.disconnect().catch(() => undefined)
      throw produceError(error, name)
    }
  }

  async send(): Promise<never> {
    throw new StreamError('ILLEGAL_STATE', 'a producer with a transactional id sends inside of transactions only')
  }

  async begin(): Promise<Transaction> {
    if (this.#refusal) throw unusable(this.#refusal)
    if (this.#isBeginning || this.#transaction?.isOpen)
      throw new StreamError('ILLEGAL_STATE', 'a transaction is open already')
    this.#isBeginning = true
    try {
      const { producer, leaders } = this.#connected
      const transaction = await producer.transaction()
      const refuse = (error: unknown) => this.#refuse(error)
      const requireEnded = () => this.#requireEnded()
      this.#transaction = new KafkaTransaction(transaction, { leaders, clock: this.#clock, refuse, requireEnded })
      return this.#transaction
    } catch (error) {
      throw this.#refuse(error)
    } finally {
      this.#isBeginning = false
    }
  }

  async close(): Promise<void> {
    // Readers wait for the end of an open transaction.
    if (this.#transaction?.isOpen) await this.#transaction.abort().catch(() => undefined)
    this.#refusal ??= new StreamError('BROKER_CLOSED', 'the producer is closed')
    await this.#connected.producer.disconnect().catch(() => undefined)
    this.#onClose()
  }

  /** A broker that went away may have left the transaction before without its end; the end of the next would be taken for it. */
  async #requireEnded(): Promise<void> {
    const lost = this.#connected.lostConnections()
    if (!this.#hanging || lost === this.#lostConnections) return
    await this.#hanging.requireEnded()
    this.#lostConnections = lost
  }

  #refuse(error: unknown): StreamError {
    this.#refusal ??= produceError(error, this.#name)
    return this.#refusal
  }
}

interface OpenedOptions {
  readonly name: string
  readonly clock: Clock
  readonly hanging: HangingTransactions | undefined
  readonly onClose: () => void
}

/** Only of an id whose producers say where they write. */
function hangingTransactions(
  { name, clock, logger }: KafkaClientFactory,
  { transactionalId, transactionTimeoutMs, transactionScope: scope, cluster, deniedTopics }: TransactionalOptions,
): HangingTransactions | undefined {
  const common = { transactionalId, transactionTimeoutMs, cluster, deniedTopics, name, clock, logger }
  return scope && new HangingTransactions({ ...common, scope })
}

interface TransactionContext {
  readonly leaders: ConnectedProducer['leaders']
  readonly clock: Clock
  /** The producer takes note, and says what the error means. */
  readonly refuse: (error: unknown) => StreamError
  /** Asked before anything is written: throws when the transaction before this one hangs. */
  readonly requireEnded: () => Promise<void>
}

/**
 *    open --commit, abort--> ended
 *     +--a step failed--> broken --abort--> ended
 */
class KafkaTransaction implements Transaction {
  readonly #transaction: KafkaJsTransaction
  readonly #context: TransactionContext
  #state: 'open' | 'broken' | 'ended' = 'open'
  #hasWritten = false
  #refusal: StreamError | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(transaction: KafkaJsTransaction, context: TransactionContext) {
    this.#transaction = transaction
    this.#context = context
  }

  get isOpen(): boolean {
    return this.#state !== 'ended'
  }

  send(records: readonly ProducerRecord[]): Promise<readonly number[]> {
    const sender = {
      leaders: this.#context.leaders,
      sendBatch: (batch: Parameters<KafkaJsTransaction['sendBatch']>[0]) =>
        this.#write(() => this.#transaction.sendBatch(batch)),
    }
    return this.#step(() => sendRecords(sender, records, { clock: this.#context.clock }))
  }

  sendOffsets(group: string, offsets: readonly CommitOffset[]): Promise<void> {
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset, metadata = '' }) => ({
        partition,
        offset: String(offset),
        metadata,
      })),
    }))
    const write = () => this.#write(() => this.#transaction.sendOffsets({ consumerGroupId: group, topics }))
    return this.#step(() => this.#untilTaken(write))
  }

  /** Refused after a failed step, also by itself: KafkaJS would commit what had been written before. */
  async commit(): Promise<void> {
    await this.#step(() => this.#transaction.commit())
    this.#state = 'ended'
  }

  async abort(): Promise<void> {
    await this.#last
    this.#requireOpen()
    const wasBroken = this.#state === 'broken'
    this.#state = 'ended'
    try {
      await this.#transaction.abort()
    } catch (error) {
      const refusal = this.#context.refuse(error)
      // The broker aborts it for the next producer of the id, or when it times out.
      if (!wasBroken) throw refusal
    }
  }

  async #write<Result>(write: () => Promise<Result>): Promise<Result> {
    if (!this.#hasWritten) await this.#context.requireEnded()
    const result = await write()
    this.#hasWritten = true
    return result
  }

  /** KafkaJS knows the errors of a coordinator that is starting by other names than its own, and gives up at the first. */
  async #untilTaken(sendOffsets: () => Promise<void>): Promise<void> {
    let pauseMs = firstOffsetsPauseMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await sendOffsets()
      } catch (error) {
        if (attempt === offsetsAttempts || !isOffsetsPassing(error)) throw error
      }
      await delay(this.#context.clock, pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestOffsetsPauseMs)
    }
  }

  #step<Result>(action: () => Promise<Result>): Promise<Result> {
    const step = this.#last.then(() => this.#run(action))
    this.#last = step.catch(() => undefined)
    return step
  }

  async #run<Result>(action: () => Promise<Result>): Promise<Result> {
    this.#requireOpen()
    if (this.#refusal) throw unusable(this.#refusal)
    try {
      return await action()
    } catch (error) {
      this.#state = 'broken'
      this.#refusal = this.#context.refuse(error)
      throw this.#refusal
    }
  }

  #requireOpen(): void {
    if (this.#state === 'ended') throw new StreamError('ILLEGAL_STATE', 'the transaction has ended already')
  }
}

/** What a producer says after the failure of a step: that it was fenced or closed, or that it has to be replaced. */
function unusable(refusal: StreamError): StreamError {
  if (refusal.code === 'MEMBER_FENCED' || refusal.code === 'BROKER_CLOSED') return refusal
  return new StreamError('PRODUCE_FAILED', 'a step of a transaction failed, so that its producer cannot go on', {
    fix: 'Make a new producer and read what was committed.',
    cause: refusal,
  })
}
