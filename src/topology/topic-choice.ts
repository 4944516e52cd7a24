import { StreamError } from '../errors.ts'
import type { RecordMetadata, StreamRecord } from '../record.ts'
import type { ProcessorSupplier } from './processor.ts'
import type { TopicTarget } from './source.ts'

/** Topics to write, of which each record goes to one. */
export interface TopicChoice<K, V> {
  readonly kind: 'topic-choice'
  readonly targets: readonly TopicTarget<K, V>[]
  /**
   * Gives the name of the topic of a record. `source` is where the record that caused it came from; undefined for what a punctuator sends.
   */
  choose(record: StreamRecord<K, V>, source: RecordMetadata | undefined): string
}

/** The sink of one of the topics. */
export function chosenSink(name: string, topic: string): string {
  return `${name}-${topic}`
}

/** The node before the sinks. A record whose topic is none of them fails, with RECORD_FAILED. */
export function choosesTopic<K, V>(name: string, choice: TopicChoice<K, V>): ProcessorSupplier<K, V, K, V> {
  const topics = new Set(choice.targets.map(({ topic }) => topic))
  return {
    name,
    operator: 'chooseTopic',
    create: () => ({
      process(record, context) {
        const topic = choice.choose(record, context.source)
        if (topics.has(topic)) context.forward(record, chosenSink(name, topic))
        else {
          const fact = `"${name}" chose topic "${topic}" for a record, which is none of its topics`
          throw new StreamError('RECORD_FAILED', fact, { fix: 'Name the topic in `topics`, or choose another one.' })
        }
      },
    }),
  }
}
