import { ManualClock } from '../../src/clock.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { StreamError } from '../../src/errors.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker, LogRecord, ProducerRecord, TopicPartition, TopicSpec } from '../../src/runtime/broker.ts'
import { errorHeaders } from '../../src/runtime/dead-letters/dead-letter.ts'
import { type RedriveCounts, type RedriveOptions, redrive } from '../../src/runtime/dead-letters/redrive.ts'
import { readAll } from './log-records.ts'

export const source = { topic: 'documents', partition: 0 }
export const letterTopic = 'app-dead-letter'

/** A log in memory with a source and its dead letters. */
export interface LetterLog extends AsyncDisposable {
  readonly clock: ManualClock
  readonly broker: EmbeddedBroker
  /** Writes records, `key=value` each; without a value they are tombstones, without a key they have none. Returns their offsets. */
  write(...records: readonly string[]): Promise<readonly number[]>
  /** The records at these offsets of the source become dead letters. */
  giveUp(...offsets: readonly number[]): Promise<void>
  redrive(options?: Partial<RedriveOptions>): Promise<RedriveCounts>
  /** The records of the source, as `write` takes them. */
  contents(): Promise<readonly string[]>
}

export async function letterLog(settings: Omit<TopicSpec, 'topic' | 'partitions'> = {}): Promise<LetterLog> {
  const clock = new ManualClock()
  const broker = embeddedBroker({ clock })
  await broker.open()
  await broker.createTopics([
    { topic: source.topic, partitions: 1, ...settings },
    { topic: letterTopic, partitions: 1 },
  ])
  const log: LetterLog = {
    clock,
    broker,
    write: (...records) => send(broker, records.map(recordOf)),
    async giveUp(...offsets) {
      const records = await readAll(broker, source)
      const given = offsets.map((offset) => records.find((record) => record.offset === offset))
      await send(
        broker,
        given.map((record) => letterOf(source, record)),
      )
    },
    redrive: (options = {}) => redrive({ broker, application: 'app', topic: letterTopic, clock, ...options }),
    contents: async () => (await readAll(broker, source)).map(textOf),
    [Symbol.asyncDispose]: () => broker.close(),
  }
  return log
}

export function recordOf(text: string): ProducerRecord {
  const [key = '', value] = text.split('=')
  return {
    ...source,
    key: key === '' ? null : Buffer.from(key),
    value: value === undefined ? null : Buffer.from(value),
    timestamp: 7,
    headers: [{ key: 'own', value: Buffer.from(text) }],
  }
}

export async function send(broker: Broker, records: readonly ProducerRecord[]): Promise<readonly number[]> {
  const producer = await broker.producer()
  try {
    return await producer.send(records)
  } finally {
    await producer.close()
  }
}

/** A record of that place as a dead letter. */
export function letterOf(place: TopicPartition, record: LogRecord | undefined, topic = letterTopic): ProducerRecord {
  if (!record) throw new Error('there is no such record')
  const { key, value, timestamp, offset } = record
  const failed = errorHeaders(new StreamError('RECORD_FAILED', 'it failed'), { ...place, offset }, 'at a line')
  return { topic, partition: 0, key, value, timestamp, headers: [...record.headers, ...failed] }
}

function textOf({ key, value }: LogRecord): string {
  const name = key === null ? '' : Buffer.from(key).toString()
  return value === null ? name : `${name}=${Buffer.from(value)}`
}

/** A record that says nothing about where it is from. */
export const strangeLetter: ProducerRecord = {
  topic: letterTopic,
  partition: 0,
  key: null,
  value: Buffer.from('x'),
  timestamp: 7,
  headers: noHeaders,
}
