import type { IHeaders, Message, RecordMetadata, TopicMessages } from 'kafkajs'
import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { ProducerRecord } from '../../runtime/broker.ts'
import { type Batch, halvesOf, roundsOf } from './batches.ts'
import { causeOf, isPoison, isRepeatable, isUnknownTopic, topicMissing } from './errors.ts'

const timeoutMs = 60_000
/** Transactions that follow one another closely meet the end of the one before: the first pauses are short. */
const firstPauseMs = 5
const longestPauseMs = 1_000

/** What sends to the brokers: a KafkaJS producer, or a transaction of one. */
export interface BatchSender {
  /** The brokers that lead the partitions of a topic; a partition that does not exist is not in the map. */
  leaders(topic: string, options: { readonly fresh: boolean }): Promise<ReadonlyMap<number, number>>
  /** One attempt. */
  sendBatch(batch: { readonly topicMessages: TopicMessages[] }): Promise<RecordMetadata[]>
}

export interface SendOptions {
  readonly clock: Clock
  /** Called right before every request; what it throws ends the send. */
  readonly guard?: (() => void) | undefined
}

/**
 * Sends records and gives the offset of each, the batches of a partition one after the other.
 *
 * What fails for the moment is repeated here and not by KafkaJS. When one of several brokers fails, KafkaJS repeats at once what the others
 * are still answering, under new sequence numbers: it is written twice. Here a request goes to one broker alone, and all answers are in
 * before anything is repeated, as the same batches with the same numbers: the brokers know what they have.
 *
 * Throws RECORD_REJECTED with `details.index` for a record that the broker will never take, TOPIC_MISSING, or what KafkaJS threw. Afterwards
 * some of the records may have been written, and the sender must not be used again: its sequence numbers may be wrong.
 */
export async function sendRecords(
  sender: BatchSender,
  records: readonly ProducerRecord[],
  options: SendOptions,
): Promise<number[]> {
  const delivery = new Delivery(sender, options, records.length)
  for (const batches of roundsOf(records)) await delivery.send(batches)
  return delivery.offsets
}

class Delivery {
  readonly offsets: number[]
  readonly #sender: BatchSender
  readonly #clock: Clock
  readonly #guard: (() => void) | undefined
  readonly #deadline: number

  constructor(sender: BatchSender, { clock, guard }: SendOptions, count: number) {
    this.#sender = sender
    this.#clock = clock
    this.#guard = guard
    this.#deadline = clock.now() + timeoutMs
    this.offsets = new Array(count)
  }

  /** At most one batch of each partition. */
  async send(batches: readonly Batch[]): Promise<void> {
    let pending = batches
    let pauseMs = firstPauseMs
    let fresh = false
    for (;;) {
      const failures = await this.#attempt(pending, fresh)
      const final = failures.find(({ error }) => !isRepeatable(error) && !isPoison(error))
      if (final) throw final.error
      for (const { error, batches: refused } of failures) if (isPoison(error)) await this.#isolate(refused, error)
      const [passing] = failures.filter(({ error }) => !isPoison(error))
      if (!passing) return
      if (this.#clock.now() >= this.#deadline) throw passing.error
      pending = failures.flatMap(({ error, batches: failed }) => (isPoison(error) ? [] : failed))
      // KafkaJS has asked for fresh metadata, but keeps the old when a topic is gone.
      fresh = isUnknownTopic(passing.error)
      await delay(this.#clock, pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestPauseMs)
    }
  }

  /** Resolves when all brokers have answered, with what was not written. */
  async #attempt(batches: readonly Batch[], fresh: boolean): Promise<Failure[]> {
    let requests: Batch[][]
    try {
      requests = await this.#requestsFor(batches, fresh)
    } catch (error) {
      return [{ error, batches }]
    }
    this.#guard?.()
    const answers = await Promise.all(requests.map((request) => this.#request(request)))
    return answers.filter((answer) => answer !== undefined)
  }

  async #request(request: readonly Batch[]): Promise<Failure | undefined> {
    try {
      const answers = await this.#sender.sendBatch({ topicMessages: request.map(toTopicMessages) })
      // KafkaJS passes over a partition whose leader it does not know, and reports success.
      const unanswered = request.filter((batch) => !this.#note(batch, answers))
      return unanswered.length > 0 ? { error: leftOut(unanswered), batches: unanswered } : undefined
    } catch (error) {
      return { error, batches: request }
    }
  }

  /**
   * One for each topic and broker: KafkaJS groups the partitions of a topic in one go, but the metadata may change between two topics.
   */
  async #requestsFor(batches: readonly Batch[], fresh: boolean): Promise<Batch[][]> {
    const requests: Batch[][] = []
    for (const [topic, ofTopic] of Map.groupBy(batches, (batch) => batch.topic)) {
      const leaders = await this.#leaders(topic, ofTopic, fresh)
      requests.push(...Map.groupBy(ofTopic, ({ partition }) => leaders.get(partition)).values())
    }
    return requests
  }

  /** A partition that is not known may be new. */
  async #leaders(topic: string, batches: readonly Batch[], fresh: boolean): Promise<ReadonlyMap<number, number>> {
    const isMissing = ({ partition }: Batch) => !leaders.has(partition)
    let leaders = await this.#sender.leaders(topic, { fresh })
    if (!fresh && batches.some(isMissing)) leaders = await this.#sender.leaders(topic, { fresh: true })
    const missing = batches.find(isMissing)
    if (missing) throw topicMissing(`${topic}-${missing.partition}`)
    return leaders
  }

  #note({ topic, partition, indexes }: Batch, answers: readonly RecordMetadata[]): boolean {
    const answer = answers.find((one) => one.topicName === topic && one.partition === partition)
    if (answer?.baseOffset === undefined) return false
    for (const [position, index] of indexes.entries()) this.offsets[index] = Number(answer.baseOffset) + position
    return true
  }

  /** The answer does not say which record is refused: batches are repeated one by one, and the refused one in halves. */
  async #isolate(batches: readonly Batch[], error: unknown): Promise<void> {
    const [batch] = batches
    if (!batch) return
    if (batches.length > 1) for (const one of batches) await this.send([one])
    else if (batch.records.length > 1) for (const half of halvesOf(batch)) await this.send([half])
    else {
      const { topic, partition, indexes } = batch
      const fact = `${topic}-${partition} refuses a record: ${causeOf(error)}`
      throw new StreamError('RECORD_REJECTED', fact, { cause: error, details: { topic, partition, index: indexes[0] } })
    }
  }
}

interface Failure {
  readonly error: unknown
  readonly batches: readonly Batch[]
}

function leftOut(batches: readonly Batch[]): Error {
  const names = batches.map(({ topic, partition }) => `${topic}-${partition}`).join(', ')
  return Object.assign(new Error(`the answer says nothing about ${names}`), { retriable: true })
}

function toTopicMessages({ topic, records }: Batch): TopicMessages {
  return { topic, messages: records.map(toMessage) }
}

/** KafkaJS writes bytes that are not a Buffer as text, and takes the present for a timestamp that is the number 0. */
function toMessage({ partition, key, value, timestamp, headers }: ProducerRecord): Message {
  return {
    partition,
    key: toBuffer(key),
    value: toBuffer(value),
    timestamp: String(timestamp),
    // The corrected encoder takes a list.
    headers: headers as unknown as IHeaders,
  }
}

function toBuffer(bytes: Uint8Array | null): Buffer | null {
  if (bytes === null || Buffer.isBuffer(bytes)) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
