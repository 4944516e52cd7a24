import { StreamError } from '../errors.ts'
import { partitionFor } from '../partitioner.ts'
import type { StreamRecord } from '../record.ts'
import type { AnyTarget } from '../topology/topology.ts'
import type { RecordWriter } from './running-nodes.ts'
import type { TopicWriter } from './topic-writer.ts'

export interface TopicSinkOptions {
  readonly producer: TopicWriter
  readonly target: AnyTarget
  /** Name on the broker. */
  readonly topic: string
  readonly partitions: number
}

/** Writes the records of a sink node to its topic. A null key goes round the partitions. */
export function topicSinkWriter({ producer, target, topic, partitions }: TopicSinkOptions): RecordWriter {
  let next = 0
  const partitionOf = (key: Uint8Array | null): number => (key ? partitionFor(key, partitions) : next++ % partitions)
  return {
    async write({ key, value, timestamp, headers }: StreamRecord<unknown, unknown>, signal, generation) {
      if (signal.aborted) throw signal.reason
      const keyBytes = key === null || key === undefined ? null : target.key.serialize(key)
      const valueBytes = value === null ? null : target.value.serialize(value)
      if (timestamp < 0)
        throw new StreamError('TIMESTAMP_INVALID', `a record for topic "${topic}" has timestamp ${timestamp}`)
      const partition = target.partition?.(value) ?? partitionOf(keyBytes)
      await producer.send(
        { topic, partition, key: keyBytes, value: valueBytes, timestamp, headers },
        generation,
        signal,
      )
    },
    flush: () => undefined,
    close: async () => undefined,
  }
}
