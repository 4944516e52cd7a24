import type { Serde } from '../../serde.ts'
import type { TimestampExtractor, TopicSource } from '../../topology/source.ts'

export interface TopicSourceOptions<K, V> {
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  /** Default: the record's own timestamp. */
  readonly timestamp?: TimestampExtractor<K, V>
}

/**
 * A topic to read. Which broker has it is the runtime's business: the same topology runs on Kafka and on the embedded log.
 *
 * @example
 * builder.stream('documents', kafka({ topic: 'documents', key: string, value: json(Document) }))
 */
export function kafka<K, V>(options: TopicSourceOptions<K, V>): TopicSource<K, V> {
  return { kind: 'topic-source', ...options }
}
