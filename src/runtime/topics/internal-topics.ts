import { StreamError } from '../../errors.ts'
import type { TaskId } from '../../topology/processor.ts'
import { partitionOf, subtopologyOf } from '../../topology/task-id.ts'
import type { Subtopology, Topology } from '../../topology/topology.ts'
import type { TopicDescription, TopicSpec } from '../broker.ts'

/** How many partitions every topic of a topology has, and so how many tasks each sub-topology. */
export interface TopicPlan {
  readonly partitions: ReadonlyMap<string, number>
  readonly tasks: ReadonlyMap<number, number>
}

const startAnew =
  'Keys have moved to other partitions, away from their state. Produce everything into a new topic that has as many ' +
  'partitions, and read that under another `application`.'

/** The topics of a sub-topology have other partitions than the changelogs that its state was written to. Throws TOPIC_MISMATCH. */
export function requireChangelog(spec: TopicSpec, existing: TopicDescription | undefined, tasks: string): void {
  if (!existing) return
  const { topic, partitions } = spec
  if (existing.partitions !== partitions) {
    const fact = `changelog topic "${topic}" has ${existing.partitions} partitions, but there are ${partitions} tasks: ${tasks}`
    throw mismatch(fact, startAnew, { topic, partitions: existing.partitions, expected: partitions })
  }
  if (existing.cleanup === undefined || existing.cleanup === 'compact') return
  const fact = `changelog topic "${topic}" has cleanup.policy "${existing.cleanup}", which forgets state that has not changed for a while`
  const fix = 'Set `cleanup.policy=compact` on the topic, then run `millrace audit`: records may be gone already.'
  throw mismatch(fact, fix, { topic, cleanup: existing.cleanup })
}

/** A table without a changelog needs a topic that keeps the latest record of each key. Throws TOPIC_MISMATCH. */
export function requireCompacted(table: string, topic: string, { cleanup }: TopicDescription): void {
  if (cleanup === undefined || cleanup === 'compact') return
  const fact = `table "${table}" is restored from topic "${topic}", which forgets rows by its cleanup.policy "${cleanup}"`
  const fix = "Set `cleanup.policy=compact` on the topic, or leave out `changelog: 'source'` of the table."
  throw mismatch(fact, fix, { topic, cleanup })
}

/** Throws TOPIC_MISMATCH for a topic between sub-topologies that has another partition count than the topology asks for, or is compacted. */
export function requireRepartition(
  topic: string,
  asked: number | undefined,
  { partitions, cleanup }: TopicDescription,
): void {
  if (asked !== undefined && asked !== partitions) {
    const fact = `the topology asks for ${asked} partitions of "${topic}", which has ${partitions}`
    throw mismatch(fact, `Ask for ${partitions}, or choose another \`application\`.`, { topic, partitions, asked })
  }
  if (cleanup === undefined || cleanup === 'delete') return
  const fact = `topic "${topic}" has cleanup.policy "${cleanup}", but each of its records counts`
  throw mismatch(fact, 'Set `cleanup.policy=delete` on the topic.', { topic, cleanup })
}

/**
 * A partition that was added while the application runs has no changelog, and its keys left their state behind. Throws TOPIC_MISMATCH;
 * where nothing is remembered it is a partition like any other.
 */
export function requireKnownTasks(tasks: readonly TaskId[], { tasks: counts }: TopicPlan, topology: Topology): void {
  for (const id of tasks) {
    const part = subtopologyOf(topology, id)
    const count = counts.get(part.id) ?? 0
    if (partitionOf(id) < count || !remembers(part, topology)) continue
    const topics = part.topics.map((topic) => `"${topic}"`).join(', ')
    const fact = `partition ${partitionOf(id)} was added to ${topics}, whose state was made for ${count} partitions`
    throw mismatch(fact, startAnew, { topics: part.topics, partition: partitionOf(id), partitions: count })
  }
}

/** Equal keys have to meet in one task: in its stores, or in an order that they keep across several topics. */
function remembers(part: Subtopology, topology: Topology): boolean {
  return part.stores.length > 0 || (part.topics.length > 1 && keepsOrder(part, topology))
}

/** The records of a key keep their order beyond a gate. */
export function keepsOrder(part: Subtopology, topology: Topology): boolean {
  return part.nodes.some((name) => {
    const node = topology.nodes.get(name)
    return node?.kind === 'processor' && node.zone === 'gate'
  })
}

function mismatch(fact: string, fix: string, details: Readonly<Record<string, unknown>>): StreamError {
  return new StreamError('TOPIC_MISMATCH', fact, { fix, details })
}
