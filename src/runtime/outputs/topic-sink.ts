import { StreamError } from '../../errors.ts'
import { keyPartition } from '../../partitioner.ts'
import type { StreamRecord } from '../../record.ts'
import type { AnyTarget } from '../../topology/topology.ts'
import type { RecordWriter } from '../nodes/running-nodes.ts'
import type { TopicWriter } from './topic-writer.ts'

export interface TopicSinkOptions {
  readonly producer: TopicWriter
  readonly target: AnyTarget
  /** Name on the broker. */
  readonly topic: string
  readonly partitions: number
}

/** Writes the records of a sink node to its topic. A null key goes round the partitions, where the target does not choose them. */
export function topicSinkWriter({ producer, target, topic, partitions }: TopicSinkOptions): RecordWriter {
  let next = 0
  const byKey = (key: Uint8Array | null): number =>
    key ? keyPartition(key, target.key, partitions) : next++ % partitions
  const partitionOf = (record: StreamRecord<unknown, unknown>, key: Uint8Array | null): number => {
    const chosen = target.partition?.(record, partitions) ?? byKey(key)
    if (Number.isInteger(chosen) && chosen >= 0 && chosen < partitions) return chosen
    const fact = `a record for topic "${topic}" has partition ${chosen} chosen for it, and there are ${partitions}`
    throw new StreamError('RECORD_FAILED', fact, { fix: 'Correct `partition` of the topic.' })
  }
  return {
    write(record: StreamRecord<unknown, unknown>, signal, generation) {
      const { key, value, timestamp, headers } = record
      if (signal.aborted) throw signal.reason
      const keyBytes = key === null || key === undefined ? null : target.key.serialize(key)
      const valueBytes = value === null ? null : target.value.serialize(value)
      if (timestamp < 0)
        throw new StreamError('TIMESTAMP_INVALID', `a record for topic "${topic}" has timestamp ${timestamp}`)
      const partition = partitionOf(record, keyBytes)
      return producer.send(
        { topic, partition, key: keyBytes, value: valueBytes, timestamp, headers },
        generation,
        signal,
      )
    },
    flush: () => undefined,
    close: async () => undefined,
  }
}
