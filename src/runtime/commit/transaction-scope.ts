import { deadLetterTopicOf, type RuntimeSettings } from '../../config.ts'
import { changelogTopic } from '../../state/changelog.ts'
import type { TaskId } from '../../topology/processor.ts'
import { partitionOf, subtopologyOf } from '../../topology/task-id.ts'
import { type Topology, topicName } from '../../topology/topology.ts'
import type { TransactionScope } from '../broker.ts'
import { partitionsOf } from '../partitions.ts'

export interface TransactionScopeOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  /** How many partitions each topic has. */
  readonly partitions: ReadonlyMap<string, number>
}

/** Where a task writes with exactly_once: every partition of its sink topics and of the dead-letter topic, one of each changelog. */
export function transactionScope(
  task: TaskId,
  { topology, settings, partitions }: TransactionScopeOptions,
): TransactionScope {
  const { nodes, stores } = subtopologyOf(topology, task)
  const { application: group } = settings
  const outputs = nodes.flatMap((name) => {
    const node = topology.nodes.get(name)
    return node?.kind === 'sink' ? (topicName(node, group) ?? []) : []
  })
  const topics = [...new Set([...outputs, deadLetterTopicOf(settings)])]
  const changelogs = stores
    .filter((spec) => spec.changelog ?? true)
    .map(({ name }) => ({ topic: changelogTopic(group, name), partition: partitionOf(task) }))
  return {
    partitions: [...topics.flatMap((topic) => partitionsOf(topic, partitions.get(topic) ?? 1)), ...changelogs],
    group,
  }
}
