import type { Clock } from '../../clock.ts'
import { isStreamError, type StreamError, toStreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Producer, ProducerRecord } from '../broker.ts'
import { retrying } from '../retry.ts'
import type { TopicWriter } from './topic-writer.ts'

interface Pending {
  readonly record: ProducerRecord
  readonly signal: AbortSignal | undefined
  readonly resolve: () => void
  readonly reject: (error: StreamError) => void
}

export interface TopicProducerOptions {
  readonly producer: Producer
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

const maxBatchRecords = 500
const maxBatchBytes = 512 * 1024

/**
 * Writes single records of all tasks in batches, one request at a time and in order: while one is under way the next one fills. The
 * bounds on records in flight bound what waits here.
 */
export class TopicProducer implements TopicWriter {
  readonly #options: TopicProducerOptions
  readonly #pending: Pending[] = []
  #sending = false

  constructor(options: TopicProducerOptions) {
    this.#options = options
  }

  /** Resolves when the record is durable. */
  send(record: ProducerRecord, _generation: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ record, signal, resolve, reject })
      if (!this.#sending) {
        this.#sending = true
        queueMicrotask(() => void this.#drain())
      }
    })
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) await this.#sendBatch(this.#nextBatch())
    this.#sending = false
  }

  #nextBatch(): Pending[] {
    let bytes = 0
    let count = 0
    for (const { record } of this.#pending) {
      bytes += (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0)
      if (count > 0 && (count === maxBatchRecords || bytes > maxBatchBytes)) break
      count++
    }
    return this.#pending.splice(0, count)
  }

  async #sendBatch(batch: Pending[]): Promise<void> {
    let wanted = batch
    const attempt = async (): Promise<void> => {
      wanted = withoutAborted(wanted)
      if (wanted.length > 0) await this.#options.producer.send(wanted.map((pending) => pending.record))
    }
    try {
      await retrying(attempt, { ...this.#options, what: 'writing to a topic' })
      for (const pending of wanted) pending.resolve()
    } catch (cause) {
      await this.#reject(wanted, toStreamError(cause, 'PRODUCE_FAILED', 'writing to a topic failed'))
    }
  }

  /** A record that the broker refuses is taken out, and the rest goes again. */
  async #reject(batch: Pending[], error: StreamError): Promise<void> {
    const index = isStreamError(error) && error.code === 'RECORD_REJECTED' ? error.details.index : undefined
    const refused = typeof index === 'number' ? batch[index] : undefined
    if (!refused) {
      for (const pending of batch) pending.reject(error)
      return
    }
    refused.reject(error)
    const rest = batch.filter((pending) => pending !== refused)
    if (rest.length > 0) await this.#sendBatch(rest)
  }
}

/** A task that is not ours any more must not write behind its next owner. */
function withoutAborted(batch: readonly Pending[]): Pending[] {
  return batch.filter(({ signal, reject }) => {
    if (signal?.aborted) reject(toStreamError(signal.reason, 'MEMBER_FENCED', 'the task is closed'))
    return !signal?.aborted
  })
}
