import type { StreamRecord } from '../record.ts'
import type { Serde } from '../serde.ts'

/**
 * Chooses the event time of a record, in milliseconds. `partitionTime` is the largest time seen in its partition so far, -1 before
 * the first. A negative result is TIMESTAMP_INVALID. Default: the timestamp that the log keeps.
 */
export type TimestampExtractor<K, V> = (record: StreamRecord<K, V>, partitionTime: number) => number

/** A topic to read: records with a null key are dropped and counted unless the key's serde is `nullable`; null values are tombstones. */
export interface TopicSource<K, V> {
  readonly kind: 'topic-source'
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly timestamp?: TimestampExtractor<K, V>
}

/** A topic to write. Partition = murmur2 of the serialized key, as Java's default partitioner does. */
export interface TopicTarget<K, V> {
  readonly kind: 'topic-target'
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** How a stream travels through an internal topic when its key has changed. */
export interface Repartition<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
  /** The topic is `<application>-<name>-repartition`. Default: the name of the node. */
  readonly name?: string
  /** Default: the largest partition count of the topics that feed it. */
  readonly partitions?: number
}
