import type { StreamRecord } from '../record.ts'
import type { Serde } from '../serde.ts'

/**
 * Chooses the event time of a record, in milliseconds. `partitionTime` is the largest time seen in its partition so far, -1 before
 * the first; `wallClock` is the time on the clock of the runtime. A negative result skips the record, counted as dropped; NaN, or
 * what is too large, makes it RECORD_UNDECODABLE; fractions are cut off. Default: the timestamp that the log keeps, which is TIMESTAMP_INVALID
 * where it is negative.
 */
export type TimestampExtractor<K, V> = (record: StreamRecord<K, V>, partitionTime: number, wallClock: number) => number

/** A topic to read: records with a null key are dropped and counted unless the key's serde is `nullable`; null values are tombstones. */
export interface TopicSource<K, V> {
  readonly kind: 'topic-source'
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly timestamp?: TimestampExtractor<K, V>
}

/** How records find their partition. */
export interface Partitioning<K, V> {
  /**
   * Gives a number from 0 to below `partitions`; another one fails the record, with RECORD_FAILED. Undefined, and the default: murmur2 of the
   * serialized key, as Java's default partitioner does, and in turn for records without a key.
   */
  partition?(record: StreamRecord<K, V>, partitions: number): number | undefined
}

/** A topic to write. */
export interface TopicTarget<K, V> extends Partitioning<K, V> {
  readonly kind: 'topic-target'
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** How a stream travels through an internal topic when its key has changed. */
export interface Repartition<K, V> extends Partitioning<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
  /** The topic is `<application>-<name>-repartition`. Default: the name of the node. */
  readonly name?: string
  /** In the place of `<name>-repartition`. */
  readonly topic?: string
  /** Default: the largest partition count of the topics that feed it. */
  readonly partitions?: number
}
