import type { ErrorReaction, RuntimeSettings } from '../../config.ts'
import { isStreamError, type StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { partitionFor } from '../../partitioner.ts'
import type { RecordMetadata } from '../../record.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { LogRecord, ProducerRecord } from '../broker.ts'
import type { RuntimeObserver } from '../observer.ts'
import type { TopicWriter } from '../outputs/topic-writer.ts'
import { errorHeaders, ofRedrive } from './dead-letter.ts'

/** A record that cannot be processed. `raw` is missing for what a punctuator emitted. */
export interface GivenUpRecord {
  readonly task: TaskId
  readonly node: string
  readonly error: StreamError
  readonly source: RecordMetadata | undefined
  readonly raw: LogRecord | undefined
  /** The generation of the record, which a letter belongs to as well. */
  readonly generation: number
}

export interface DeadLettersOptions {
  readonly settings: RuntimeSettings
  readonly producer: TopicWriter
  readonly topic: string
  readonly partitions: number
  readonly observer: RuntimeObserver
  readonly logger: Logger
}

/**
 * Applies the error handlers: `fail`, `skip`, or `dead-letter`, which writes the source record as it came (key, value, headers,
 * timestamp) with headers that say what went wrong.
 */
export class DeadLetters {
  readonly #options: DeadLettersOptions

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /** What to do about an error; only `skip` errors are a matter of the single record. */
  reactionTo(error: StreamError): ErrorReaction {
    const { settings } = this.#options
    if (error.reaction !== 'skip') return 'fail'
    return error.code === 'RECORD_UNDECODABLE' ? settings.onUndecodable : settings.onFailedRecord
  }

  /** Resolves when the record is dealt with; throws the error itself when the handler says `fail`. */
  async handle(record: GivenUpRecord): Promise<void> {
    const { task, node, error, source, raw } = record
    const reaction = this.reactionTo(error)
    if (reaction === 'fail') throw error
    const deadLettered = reaction === 'dead-letter' && raw !== undefined && (await this.#write(raw, record))
    this.#options.logger.warn(
      { task, node, source, code: error.code },
      `${deadLettered ? 'dead letter' : 'skipped'}: ${error.message}`,
    )
    this.#options.observer.givenUp?.({ task, node, source, error, deadLettered })
  }

  /**
   * A record that just fitted into its topic does not fit with the headers: then its value, which the source still has at the named
   * offset, is left out. False when the broker takes not even that; a letter must never stop the partition that it was to save.
   */
  async #write(raw: LogRecord, { error, source, generation }: GivenUpRecord): Promise<boolean> {
    const whole = { ...raw, headers: [...raw.headers, ...errorHeaders(error, source, error.stack ?? '')] }
    const headersAlone = {
      ...raw,
      value: null,
      headers: [...ofRedrive(raw.headers), ...errorHeaders(error, source, '')],
    }
    return (await this.#send(whole, generation)) || (await this.#send(headersAlone, generation))
  }

  /** What takes the place of an output that the broker refused inside of a transaction. Throws the error when the handler says `fail`. */
  insteadOf(refused: ProducerRecord, error: StreamError): ProducerRecord | undefined {
    const { topic, settings, logger } = this.#options
    if (settings.onFailedRecord === 'fail' && refused.topic !== topic) throw error
    const isLetter = settings.onFailedRecord === 'dead-letter' && refused.topic !== topic
    logger.warn({ topic: refused.topic }, `${isLetter ? 'dead letter' : 'skipped'}: ${error.message}`)
    const source = { topic: refused.topic, partition: refused.partition, offset: -1 }
    return isLetter ? this.#addressed({ ...refused, value: null, headers: errorHeaders(error, source, '') }) : undefined
  }

  #addressed({ key, value, timestamp, headers }: Letter): ProducerRecord {
    const { topic, partitions } = this.#options
    const partition = key ? partitionFor(key, partitions) : 0
    return { topic, partition, key, value, timestamp: Math.max(0, timestamp), headers }
  }

  async #send(letter: Letter, generation: number): Promise<boolean> {
    const { producer, topic, logger } = this.#options
    try {
      await producer.send(this.#addressed(letter), generation)
      return true
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'RECORD_REJECTED') throw error
      logger.error({ topic }, `a dead letter was refused: ${error.message}`)
      return false
    }
  }
}

type Letter = Pick<LogRecord, 'key' | 'value' | 'timestamp' | 'headers'>
