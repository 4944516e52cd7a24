import type { RuntimeSettings } from '../../config.ts'
import type { TopicPartition } from '../../runtime/broker.ts'
import { topicsBySubtopology } from '../../runtime/group/assignor.ts'
import { partitionsOf } from '../../runtime/partitions.ts'
import type { TopicLook } from '../../runtime/topics/topics.ts'
import type { Topology } from '../../topology/topology.ts'

/** A topology, and the settings that it would run with. */
export interface Program {
  readonly topology: Topology
  readonly settings: RuntimeSettings
}

/** The partitions that a program reads, without those of topics that are still to be made. */
export function sourcePartitions({ topology, settings }: Program, topics: TopicLook): TopicPartition[] {
  const names = new Set([...topicsBySubtopology(topology, settings.application).values()].flat())
  const existing = (topic: string) =>
    topics.existing.has(topic) || !topics.repartition.some((own) => own.topic === topic)
  return [...names].filter(existing).flatMap((topic) => partitionsOf(topic, topics.partitions.get(topic) ?? 0))
}
