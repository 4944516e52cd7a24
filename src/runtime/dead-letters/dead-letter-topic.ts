import { StreamError } from '../../errors.ts'
import type { Broker, LogRecord, TopicPartition } from '../broker.ts'
import { partitionsOf } from '../partitions.ts'
import { type DeadLetter, readDeadLetter } from './dead-letter.ts'

/** Which letters are meant; all conditions have to hold, and what is left out is none. */
export interface LetterFilter {
  readonly code?: string
  /** UTF-8 text. */
  readonly key?: string
  /** Topic that the record came from. */
  readonly source?: string
}

/** A letter with what it was read from. */
export interface FoundLetter {
  readonly letter: DeadLetter
  readonly record: LogRecord
}

/** The partitions of a dead-letter topic. Throws TOPIC_MISSING. */
export async function letterPartitions(broker: Broker, topic: string): Promise<readonly TopicPartition[]> {
  const partitions = (await broker.topics([topic])).get(topic)?.partitions
  if (partitions === undefined)
    throw new StreamError('TOPIC_MISSING', `${broker.name} has no dead-letter topic "${topic}"`, {
      fix: 'Name the application that writes it with --application, or the topic with --topic.',
      details: { topic },
    })
  return partitionsOf(topic, partitions)
}

/** The letters of a topic, partition by partition in the order in which they were written; ends early on the signal. Throws TOPIC_MISSING. */
export async function* readLetters(
  broker: Broker,
  topic: string,
  { signal, ...filter }: LetterFilter & { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<FoundLetter> {
  for (const place of await letterPartitions(broker, topic)) {
    const [range] = await broker.offsets([place])
    for await (const { records } of broker.read(place, range?.earliest ?? 0)) {
      if (signal?.aborted) return
      const found = records.map((record) => ({ letter: readDeadLetter(place, record), record }))
      yield* found.filter(({ letter }) => isMeant(letter, filter))
    }
  }
}

/** One letter by its place; undefined when there is none (any more). Throws TOPIC_MISSING. */
export async function findLetter(
  broker: Broker,
  topic: string,
  { partition, offset }: { readonly partition: number; readonly offset: number },
): Promise<FoundLetter | undefined> {
  const place = (await letterPartitions(broker, topic))[partition]
  const [range] = place ? await broker.offsets([place]) : []
  if (!place || !range || offset < range.earliest || offset >= range.latest) return undefined
  for await (const { records } of broker.read(place, offset)) {
    const [record] = records
    if (record) return record.offset === offset ? { letter: readDeadLetter(place, record), record } : undefined
  }
  return undefined
}

function isMeant(letter: DeadLetter, { code, key, source }: LetterFilter): boolean {
  return (
    (code === undefined || letter.code === code) &&
    (source === undefined || letter.source?.topic === source) &&
    (key === undefined || (letter.key !== null && Buffer.from(letter.key).toString() === key))
  )
}
