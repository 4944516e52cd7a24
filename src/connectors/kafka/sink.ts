import type { Serde } from '../../serde.ts'
import type { Partitioning, TopicTarget } from '../../topology/source.ts'
import type { TopicChoice } from '../../topology/topic-choice.ts'

export interface TopicTargetOptions<K, V> extends Partitioning<K, V> {
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/**
 * A topic to write.
 *
 * @example
 * stream.to('copy', kafkaTopic({ topic: 'documents-copy', key: string, value: json(Document) }))
 */
export function kafkaTopic<K, V>(options: TopicTargetOptions<K, V>): TopicTarget<K, V> {
  return { kind: 'topic-target', ...options }
}

export interface TopicChoiceOptions<K, V> extends Omit<TopicTargetOptions<K, V>, 'topic'> {
  /** All that may be chosen: they are looked for at the start, and `describe` shows them. */
  readonly topics: readonly string[]
  readonly choose: TopicChoice<K, V>['choose']
}

/**
 * Topics to write, of which each record goes to one. A record whose topic is none of them fails, with RECORD_FAILED.
 *
 * @example
 * stream.to('views-by-country', kafkaTopics({
 *   topics: ['views-de', 'views-fr'],
 *   choose: ({ value }) => `views-${value?.country}`,
 *   key: string,
 *   value: json(View),
 * }))
 */
export function kafkaTopics<K, V>({ topics, choose, ...serdes }: TopicChoiceOptions<K, V>): TopicChoice<K, V> {
  return { kind: 'topic-choice', targets: topics.map((topic) => kafkaTopic({ topic, ...serdes })), choose }
}
