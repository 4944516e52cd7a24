import type { ErrorReaction, RuntimeSettings } from '../config.ts'
import { isStreamError, type StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { partitionFor } from '../partitioner.ts'
import type { Headers, RecordMetadata } from '../record.ts'
import type { TaskId } from '../topology/processor.ts'
import type { LogRecord } from './broker.ts'
import type { RuntimeObserver } from './observer.ts'
import type { TopicProducer } from './topic-producer.ts'

/** A record that cannot be processed. `raw` is missing for what a punctuator emitted. */
export interface GivenUpRecord {
  readonly task: TaskId
  readonly node: string
  readonly error: StreamError
  readonly source: RecordMetadata | undefined
  readonly raw: LogRecord | undefined
}

export interface DeadLettersOptions {
  readonly settings: RuntimeSettings
  readonly producer: TopicProducer
  readonly topic: string
  readonly partitions: number
  readonly observer: RuntimeObserver
  readonly logger: Logger
}

/**
 * Applies the error handlers: `fail`, `skip`, or `dead-letter`, which writes the source record as it came (key, value, headers,
 * timestamp) with six headers that say what went wrong, under the names that Kafka Streams uses.
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
    const deadLettered = reaction === 'dead-letter' && raw !== undefined && (await this.#write(raw, source, error))
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
  async #write(raw: LogRecord, source: RecordMetadata | undefined, error: StreamError): Promise<boolean> {
    const whole = { ...raw, headers: [...raw.headers, ...errorHeaders(error, source, error.stack ?? '')] }
    const headersAlone = { ...raw, value: null, headers: errorHeaders(error, source, '') }
    return (await this.#send(whole)) || (await this.#send(headersAlone))
  }

  async #send({ key, value, timestamp, headers }: LogRecord): Promise<boolean> {
    const { producer, topic, partitions, logger } = this.#options
    const partition = key ? partitionFor(key, partitions) : 0
    try {
      await producer.send({ topic, partition, key, value, timestamp: Math.max(0, timestamp), headers })
      return true
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'RECORD_REJECTED') throw error
      logger.error({ topic }, `a dead letter was refused: ${error.message}`)
      return false
    }
  }
}

function errorHeaders(error: StreamError, source: RecordMetadata | undefined, stacktrace: string): Headers {
  const facts = {
    exception: error.code,
    stacktrace,
    message: error.message,
    topic: source?.topic ?? '',
    partition: String(source?.partition ?? -1),
    offset: String(source?.offset ?? -1),
  }
  return Object.entries(facts).map(([name, text]) => ({
    key: `__streams.errors.${name}`,
    value: new TextEncoder().encode(text),
  }))
}
