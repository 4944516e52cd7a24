import { deadLetterTopicOf, type RuntimeSettings } from '../config.ts'
import { StreamError } from '../errors.ts'
import { changelogTopic } from '../state/changelog.ts'
import { type SinkNode, type Subtopology, type Topology, topicName } from '../topology/topology.ts'
import type { Broker } from './broker.ts'

/** How many partitions every topic of a topology has, and so how many tasks each sub-topology. */
export interface TopicPlan {
  readonly partitions: ReadonlyMap<string, number>
  readonly tasks: ReadonlyMap<number, number>
}

/** Checks that the user's topics exist and makes those of the application. Throws TOPIC_MISSING with all that are missing. */
export async function prepareTopics(topology: Topology, settings: RuntimeSettings, broker: Broker): Promise<TopicPlan> {
  const partitions = await describeUserTopics(topology, settings, broker)
  const repartition = planRepartitionTopics(topology, settings.application, partitions)
  for (const part of topology.subtopologies) requireEqualPartitions(part, topology, settings, partitions)
  const tasks = new Map(
    topology.subtopologies.map((part) => [part.id, taskCount(part, topology, settings, partitions)]),
  )
  const changelogs = topology.subtopologies.flatMap((part) =>
    part.stores
      .filter((spec) => spec.changelog ?? true)
      .map((spec) => ({
        topic: changelogTopic(settings.application, spec.name),
        partitions: tasks.get(part.id) ?? 1,
        cleanup: 'compact' as const,
      })),
  )
  await broker.createTopics([...repartition, ...changelogs])
  await createDeadLetterTopic(settings, broker, partitions)
  return { partitions, tasks }
}

async function describeUserTopics(
  topology: Topology,
  settings: RuntimeSettings,
  broker: Broker,
): Promise<Map<string, number>> {
  const names = [...topology.nodes.values()].flatMap((node) =>
    node.kind === 'processor' || node.internal ? [] : (topicName(node, settings.application) ?? []),
  )
  const wanted = [...new Set(names)]
  const found = await broker.topics(wanted)
  const missing = wanted.filter((topic) => !found.has(topic))
  if (missing.length > 0) {
    const list = missing.map((topic) => `"${topic}"`).join(', ')
    throw new StreamError('TOPIC_MISSING', `${broker.name} has no topic ${list}`, { details: { topics: missing } })
  }
  return new Map([...found].map(([topic, description]) => [topic, description.partitions]))
}

/** Fills in the partition counts of internal topics: what the topology asks for, else as many as the topics that feed them. */
function planRepartitionTopics(topology: Topology, application: string, partitions: Map<string, number>) {
  const sinks = [...topology.nodes.values()].filter((node): node is SinkNode => node.kind === 'sink' && node.internal)
  const planned = new Map<string, number>()
  // A repartition topic may be fed by another one: as many rounds as there are topics settle every count.
  for (let round = 0; round < sinks.length; round++) {
    for (const sink of sinks) {
      const topic = topicName(sink, application) ?? sink.name
      const part = topology.subtopologies.find((candidate) => candidate.nodes.includes(sink.name))
      const feeding = part ? taskCount(part, topology, { application }, partitions) : 1
      planned.set(topic, sink.partitions ?? Math.max(1, feeding))
      partitions.set(topic, planned.get(topic) ?? 1)
    }
  }
  return [...planned].map(([topic, count]) => ({ topic, partitions: count, settings: { 'retention.ms': '-1' } }))
}

/** Equal keys have to meet in one task wherever something is remembered of a key. */
function requireEqualPartitions(
  part: Subtopology,
  topology: Topology,
  { application }: RuntimeSettings,
  partitions: ReadonlyMap<string, number>,
): void {
  const nodes = part.nodes.flatMap((name) => topology.nodes.get(name) ?? [])
  const remembers = part.stores.length > 0 || nodes.some((node) => node.kind === 'processor' && node.zone === 'gate')
  const topics = nodes.flatMap((node) => (node.kind === 'source' ? (topicName(node, application) ?? []) : []))
  if (!remembers || new Set(topics.map((topic) => partitions.get(topic))).size <= 1) return
  const list = topics.map((topic) => `"${topic}" has ${partitions.get(topic)}`).join(', ')
  throw new StreamError('TOPIC_MISMATCH', `topics whose keys have to meet differ in their partitions: ${list}`, {
    details: { topics },
  })
}

function taskCount(
  part: Subtopology,
  topology: Topology,
  { application }: Pick<RuntimeSettings, 'application'>,
  partitions: ReadonlyMap<string, number>,
): number {
  const counts = part.nodes.map((name) => {
    const node = topology.nodes.get(name)
    return node?.kind === 'source' ? (partitions.get(topicName(node, application) ?? '') ?? 0) : 0
  })
  return Math.max(0, ...counts)
}

/** An existing dead-letter topic is taken as it is. */
async function createDeadLetterTopic(
  settings: RuntimeSettings,
  broker: Broker,
  partitions: Map<string, number>,
): Promise<void> {
  const topic = deadLetterTopicOf(settings)
  const existing = (await broker.topics([topic])).get(topic)
  if (!existing) await broker.createTopics([{ topic, partitions: 1, settings: { 'retention.ms': '-1' } }])
  partitions.set(topic, existing?.partitions ?? 1)
}
