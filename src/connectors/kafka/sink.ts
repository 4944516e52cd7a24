import type { Serde } from '../../serde.ts'
import type { TopicTarget } from '../../topology/source.ts'

export interface TopicTargetOptions<K, V> {
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
