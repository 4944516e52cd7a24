import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { TopicDescription, TopicSpec } from '../../runtime/broker.ts'
import { administer, type KafkaClientFactory } from './client.ts'
import type { ClusterConnections } from './cluster.ts'
import { firstOf, requestError } from './errors.ts'

const readyTimeoutMs = 30_000
const pollEveryMs = 50
const cleanups: Readonly<Record<string, NonNullable<TopicSpec['cleanup']>>> = {
  compact: 'compact',
  delete: 'delete',
  'compact,delete': 'compact,delete',
}

export async function describeTopics(
  cluster: ClusterConnections,
  names: readonly string[],
): Promise<Map<string, TopicDescription>> {
  const found = new Map<string, TopicDescription>()
  for (const topic of new Set(names)) {
    const partitions = await cluster.partitionsOf(topic)
    if (partitions) found.set(topic, { topic, partitions: partitions.length })
  }
  return found
}

/** Together with what happens to old records. */
export async function describeTopicsFully(
  cluster: ClusterConnections,
  names: readonly string[],
): Promise<Map<string, TopicDescription>> {
  const found = await describeTopics(cluster, names)
  const policies = await cluster.settings([...found.keys()], 'cleanup.policy')
  for (const [topic, description] of found) {
    const cleanup = cleanups[policies.get(topic)?.split(',').sort().join(',') ?? '']
    if (cleanup) found.set(topic, { ...description, cleanup })
  }
  return found
}

/** Creates the topics that do not exist and waits until each partition has a leader. Throws TOPIC_MISMATCH, CONFIG_INVALID. */
export async function createTopics(
  cluster: ClusterConnections,
  factory: KafkaClientFactory,
  specs: readonly TopicSpec[],
): Promise<void> {
  const existing = await describeTopics(
    cluster,
    specs.map(({ topic }) => topic),
  )
  for (const spec of specs) requireMatch(spec, existing.get(spec.topic)?.partitions)
  const missing = specs.filter(({ topic }) => !existing.has(topic))
  if (missing.length === 0) return
  await create(factory, missing)
  for (const spec of missing) requireMatch(spec, await readyPartitions(cluster, factory.clock, spec.topic))
}

async function create(factory: KafkaClientFactory, specs: readonly TopicSpec[]): Promise<void> {
  const topics = specs.map((spec) => ({
    topic: spec.topic,
    numPartitions: spec.partitions,
    replicationFactor: spec.replicationFactor ?? -1,
    configEntries: Object.entries({ 'cleanup.policy': spec.cleanup ?? 'delete', ...spec.settings }).map(
      ([name, value]) => ({ name, value }),
    ),
  }))
  try {
    // Waiting for leaders the client's way fails when the topic is so new that the broker does not know it.
    await administer(factory, (admin) => admin.createTopics({ waitForLeaders: false, topics }))
  } catch (error) {
    const names = specs.map(({ topic }) => topic).join(', ')
    throw requestError(firstOf(error), factory.name, `to create topics ${names}`)
  }
}

async function readyPartitions(cluster: ClusterConnections, clock: Clock, topic: string): Promise<number> {
  const deadline = clock.now() + readyTimeoutMs
  for (;;) {
    const partitions = await cluster.partitionsOf(topic)
    if (partitions?.length && partitions.every(({ leader }) => leader >= 0)) return partitions.length
    if (clock.now() >= deadline)
      throw new StreamError(
        'BROKER_UNREACHABLE',
        `topic "${topic}" has no leader ${readyTimeoutMs} ms after its creation`,
      )
    await delay(clock, pollEveryMs)
  }
}

function requireMatch({ topic, partitions }: TopicSpec, found: number | undefined): void {
  if (found === undefined || found === partitions) return
  const fact = `topic "${topic}" has ${found} partitions instead of ${partitions}`
  throw new StreamError('TOPIC_MISMATCH', fact, { details: { topic, found, expected: partitions } })
}
