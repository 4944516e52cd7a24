import type { Broker, LogRecord, PartitionOffsets, TopicPartition } from '../../runtime/broker.ts'
import type { TopicLook } from '../../runtime/topics/topics.ts'
import { type SourceNode, topicName } from '../../topology/topology.ts'
import { type Program, sourcePartitions } from './partitions.ts'

/** The last record of a partition, and the node that reads it. */
export interface NewestRecord {
  readonly node: SourceNode
  readonly place: TopicPartition
  readonly record: LogRecord
}

/** Of each topic: what is wrong with its producers shows in any of its partitions. */
const lookedAt = 8

/** The last record of some partitions of each topic that the program reads; empty partitions have none. */
export async function newestRecords(
  log: Broker,
  program: Program,
  topics: TopicLook,
): Promise<readonly NewestRecord[]> {
  const { topology, settings } = program
  const nodes = [...topology.nodes.values()].filter((node): node is SourceNode => node.kind === 'source')
  const nodeOf = (topic: string) => nodes.find((node) => topicName(node, settings.application) === topic)
  const partitions = sourcePartitions(program, topics).filter(({ partition }) => partition < lookedAt)
  const ranges = await log.offsets(partitions)
  const found = await Promise.all(
    ranges.map(async (range) => {
      const { topic, partition } = range
      const [node, record] = [nodeOf(topic), await newestIn(log, range)]
      return node && record ? [{ node, place: { topic, partition }, record }] : []
    }),
  )
  return found.flat()
}

/** Undefined for an empty partition, and where a transaction has left its marker last. */
async function newestIn(
  log: Broker,
  { topic, partition, earliest, latest }: PartitionOffsets,
): Promise<LogRecord | undefined> {
  if (latest <= earliest) return undefined
  for await (const { records } of log.read({ topic, partition }, latest - 1)) return records.at(-1)
  return undefined
}
