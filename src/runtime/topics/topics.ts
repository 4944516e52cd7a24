import { deadLetterTopicOf, type RuntimeSettings } from '../../config.ts'
import { StreamError } from '../../errors.ts'
import { changelogTopic } from '../../state/changelog.ts'
import {
  copiedTopics,
  globalTopics,
  type SinkNode,
  type Subtopology,
  type Topology,
  type TopologyNode,
  topicName,
} from '../../topology/topology.ts'
import type { Broker, TopicDescription, TopicSpec } from '../broker.ts'
import {
  keepsOrder,
  requireChangelog,
  requireCompacted,
  requireRepartition,
  type TopicPlan,
} from './internal-topics.ts'

type Descriptions = ReadonlyMap<string, TopicDescription>

/** What the topics of a topology are, and what is to be made of them. */
export interface TopicLook extends TopicPlan {
  /** Those of the application that are there. */
  readonly existing: Descriptions
  /** Between sub-topologies, with the partitions that they have or will have. */
  readonly repartition: readonly TopicSpec[]
  readonly changelogs: readonly PlannedChangelog[]
  readonly deadLetter: TopicSpec
}

/**
 * Checks that the user's topics exist and makes those of the application. Throws TOPIC_MISSING with all that are missing, and
 * TOPIC_MISMATCH before anything is written when what exists does not fit.
 */
export async function prepareTopics(topology: Topology, settings: RuntimeSettings, broker: Broker): Promise<TopicPlan> {
  const { partitions, tasks, existing, repartition, changelogs, deadLetter } = await lookAtTopics(
    topology,
    settings,
    broker,
  )
  for (const changelog of changelogs) requireFitting(changelog, existing)
  await broker.createTopics([...repartition, ...changelogs.map(({ spec }) => spec)])
  if (!existing.has(deadLetter.topic)) await broker.createTopics([deadLetter])
  return { partitions, tasks }
}

/**
 * Looks at the user's topics and at those of the application, and writes nothing. Throws TOPIC_MISSING with all that are missing, and
 * TOPIC_MISMATCH when topics do not fit one another; changelogs are left to `requireFitting`.
 */
export async function lookAtTopics(topology: Topology, settings: RuntimeSettings, broker: Broker): Promise<TopicLook> {
  const partitions = await describeUserTopics(topology, settings, broker)
  const deadLetterTopic = deadLetterTopicOf(settings)
  const existing = await broker.topics([...internalTopics(topology, settings), deadLetterTopic])
  const repartition = planRepartitionTopics(topology, settings.application, { partitions, existing })
  for (const part of topology.subtopologies) requireEqualPartitions(part, topology, settings, partitions)
  const tasks = new Map(
    topology.subtopologies.map((part) => [part.id, taskCount(part, topology, settings, partitions)]),
  )
  const changelogs = topology.subtopologies.flatMap((part) =>
    changelogsOf(part, settings, tasks.get(part.id) ?? 1).map((spec) => ({
      spec,
      sources: sourcesOf(part, partitions),
    })),
  )
  // An existing dead-letter topic is taken as it is.
  const letters = existing.get(deadLetterTopic)?.partitions ?? 1
  partitions.set(deadLetterTopic, letters)
  const deadLetter = { topic: deadLetterTopic, partitions: letters, settings: { 'retention.ms': '-1' } }
  return { partitions, tasks, existing, repartition, changelogs, deadLetter }
}

export interface PlannedChangelog {
  readonly spec: TopicSpec
  /** `"documents" has 6 partitions`, of every topic that its sub-topology reads. */
  readonly sources: string
}

/** A changelog that is there has other partitions than tasks write to, or forgets. Throws TOPIC_MISMATCH. */
export function requireFitting({ spec, sources }: PlannedChangelog, existing: Descriptions): void {
  requireChangelog(spec, existing.get(spec.topic), sources)
}

function changelogsOf(part: Subtopology, { application }: RuntimeSettings, partitions: number): TopicSpec[] {
  return part.stores
    .filter((spec) => spec.changelog ?? true)
    .map(({ name }) => ({ topic: changelogTopic(application, name), partitions, cleanup: 'compact' }))
}

function sourcesOf({ topics }: Subtopology, partitions: ReadonlyMap<string, number>): string {
  return topics.map((topic) => `"${topic}" has ${partitions.get(topic) ?? 'as many'} partitions`).join(', ')
}

/** The topics that the runtime makes for itself, without the one for dead letters. */
export function internalTopics(topology: Topology, settings: RuntimeSettings): readonly string[] {
  const repartition = repartitionSinks(topology).map((sink) => topicName(sink, settings.application) ?? sink.name)
  const changelogs = topology.subtopologies.flatMap((part) => changelogsOf(part, settings, 0))
  return [...repartition, ...changelogs.map(({ topic }) => topic)]
}

function repartitionSinks(topology: Topology): SinkNode[] {
  return [...topology.nodes.values()].filter((node): node is SinkNode => node.kind === 'sink' && node.internal)
}

async function describeUserTopics(
  topology: Topology,
  settings: RuntimeSettings,
  broker: Broker,
): Promise<Map<string, number>> {
  const names = [...topology.nodes.values()].flatMap((node) =>
    node.kind === 'processor' || node.internal ? [] : (topicName(node, settings.application) ?? []),
  )
  const wanted = [...new Set([...names, ...globalTopics(topology)])]
  const found = await broker.topics(wanted)
  const missing = wanted.filter((topic) => !found.has(topic))
  if (missing.length > 0) {
    const list = missing.map((topic) => `"${topic}"`).join(', ')
    throw new StreamError('TOPIC_MISSING', `${broker.name} has no topic ${list}`, { details: { topics: missing } })
  }
  for (const [store, copied] of copiedTopics(topology)) {
    const description = found.get(copied)
    if (description) requireCompacted(store, copied, description)
  }
  return new Map([...found].map(([topic, description]) => [topic, description.partitions]))
}

/**
 * Fills in the partition counts of internal topics: what they have, so that keys stay with their state when the topics that feed them
 * grow; else what the topology asks for; else as many as the topics that they meet in a join, or as the topics that feed them.
 */
function planRepartitionTopics(
  topology: Topology,
  application: string,
  { partitions, existing }: { readonly partitions: Map<string, number>; readonly existing: Descriptions },
): TopicSpec[] {
  const sinks = repartitionSinks(topology)
  const planned = new Map<string, number>()
  // A repartition topic may be fed by another one: as many rounds as there are topics settle every count.
  for (let round = 0; round < sinks.length; round++) {
    for (const sink of sinks) {
      const topic = topicName(sink, application) ?? sink.name
      const found = existing.get(topic)
      if (found) requireRepartition(topic, sink.partitions, found)
      const fitting = sink.partitions ?? fittingPartitions(sink, topology, application, { partitions, existing })
      planned.set(topic, found?.partitions ?? fitting)
      partitions.set(topic, planned.get(topic) ?? 1)
    }
  }
  return [...planned].map(([topic, count]) => ({ topic, partitions: count, settings: { 'retention.ms': '-1' } }))
}

/**
 * As many as the topics have that a repartition topic meets, because what is joined has to lie in as many: those of users, or others like it
 * whose count is given. Else as what feeds it and them.
 */
function fittingPartitions(
  sink: SinkNode,
  topology: Topology,
  application: string,
  { partitions, existing }: { readonly partitions: ReadonlyMap<string, number>; readonly existing: Descriptions },
): number {
  const partWith = (holds: (node: TopologyNode) => boolean) =>
    topology.subtopologies.find((part) => nodesOf(part, topology).some(holds))
  const own = topicName(sink, application)
  const reading = partWith((node) => node.kind === 'source' && topicName(node, application) === own)
  const met = (reading ? nodesOf(reading, topology) : []).filter((node) => node.kind === 'source')
  const ofUsers = met.flatMap((node) => (node.internal ? [] : (partitions.get(node.source.topic) ?? [])))
  if (ofUsers.length > 0) return Math.max(...ofUsers)
  const topics = new Set(met.map((node) => topicName(node, application)))
  const together = repartitionSinks(topology).filter((other) => topics.has(topicName(other, application)))
  const given = together.flatMap((other) => {
    return other.partitions ?? existing.get(topicName(other, application) ?? '')?.partitions ?? []
  })
  if (given.length > 0) return Math.max(...given)
  const feeding = together.flatMap((other) => partWith((node) => node === other) ?? [])
  return Math.max(1, ...feeding.map((part) => taskCount(part, topology, { application }, partitions)))
}

function nodesOf(part: Subtopology, topology: Topology): TopologyNode[] {
  return part.nodes.flatMap((name) => topology.nodes.get(name) ?? [])
}

/** Equal keys have to meet in one task wherever something is remembered of a key. */
function requireEqualPartitions(
  part: Subtopology,
  topology: Topology,
  { application }: RuntimeSettings,
  partitions: ReadonlyMap<string, number>,
): void {
  const nodes = nodesOf(part, topology)
  const remembers = part.stores.length > 0 || keepsOrder(part, topology)
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
  const counts = nodesOf(part, topology).map((node) =>
    node.kind === 'source' ? (partitions.get(topicName(node, application) ?? '') ?? 0) : 0,
  )
  return Math.max(0, ...counts)
}
