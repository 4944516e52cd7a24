import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { BrokerAdmin, GroupDescription, StartPosition } from '../../runtime/broker.ts'
import { administer, type KafkaClientFactory } from './client.ts'
import type { ClusterConnections } from './cluster.ts'
import { isDenied, isGroupActive, isUnknownGroup, requestError } from './errors.ts'
import type { DescribedMember } from './internals.ts'
import { missingRights } from './rights.ts'
import { describeTopics } from './topics.ts'

const goneTimeoutMs = 30_000
const pollEveryMs = 50

export function administration(factory: KafkaClientFactory, cluster: () => ClusterConnections): BrokerAdmin {
  const { name } = factory
  return {
    describeGroup: (group) => describeGroup(factory, cluster(), group),
    deleteGroup: (group) => deleteGroup(cluster(), group, name),
    deleteTopics: (names) => deleteTopics(factory, cluster(), names),
    deleteRecords: (before) => deleteRecords(factory, cluster(), before),
    missingRights: (wanted) =>
      missingRights(wanted, { name, cluster: cluster(), admin: (action) => administer(factory, action) }),
  }
}

async function describeGroup(
  { kafkaJs }: KafkaClientFactory,
  cluster: ClusterConnections,
  group: string,
): Promise<GroupDescription> {
  const { protocol = '', members = [] } = (await cluster.describeGroup(group)) ?? {}
  const topicsOf = ({ memberMetadata }: DescribedMember) =>
    memberMetadata.length === 0 ? undefined : kafkaJs.AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics
  return {
    members: members.map((member) => ({
      memberId: member.memberId,
      host: member.clientHost,
      topics: topicsOf(member),
    })),
    assignor: protocol || undefined,
  }
}

async function deleteGroup(cluster: ClusterConnections, group: string, name: string): Promise<void> {
  const { results } = await cluster.askCoordinator(group, 'the end', (coordinator) => coordinator.deleteGroups([group]))
  const error = results[0]?.error
  if (!error || isUnknownGroup(error)) return
  if (isGroupActive(error))
    throw new StreamError('GROUP_ACTIVE', `group "${group}" has members`, { cause: error, details: { group } })
  throw requestError(error, name, `the end of group "${group}"`)
}

async function deleteTopics(
  factory: KafkaClientFactory,
  cluster: ClusterConnections,
  names: readonly string[],
): Promise<void> {
  const existing = [...(await describeTopics(cluster, names)).keys()]
  if (existing.length === 0) return
  try {
    await administer(factory, (admin) => admin.deleteTopics({ topics: existing }))
  } catch (error) {
    throw requestError(error, factory.name, `the end of topics ${existing.join(', ')}`)
  }
  await gone(cluster, factory.clock, existing)
}

async function deleteRecords(
  factory: KafkaClientFactory,
  cluster: ClusterConnections,
  before: readonly StartPosition[],
): Promise<void> {
  const ranges = await cluster.offsets(before)
  for (const [at, { topic, partition, offset }] of before.entries()) {
    const latest = ranges[at]?.latest ?? 0
    if (offset <= latest) continue
    const fact = `offset ${offset} of ${topic}-${partition} is above its end, ${latest}`
    throw new StreamError('OFFSET_OUT_OF_RANGE', fact, { details: { topic, partition, offset, latest } })
  }
  for (const [topic, places] of Map.groupBy(before, (place) => place.topic)) {
    const partitions = places.map(({ partition, offset }) => ({ partition, offset: String(offset) }))
    try {
      await administer(factory, async (admin) => {
        // KafkaJS looks for the leaders in metadata that this loads.
        await admin.fetchTopicOffsets(topic)
        await admin.deleteTopicRecords({ topic, partitions })
      })
    } catch (error) {
      throw deletionError(error, factory.name, topic)
    }
  }
}

/** The answer is one error that holds one for each partition. */
function deletionError(error: unknown, name: string, topic: string): StreamError {
  const inner: unknown = error instanceof Error && 'partitions' in error ? error.partitions : undefined
  const first: unknown = Array.isArray(inner) ? inner[0]?.error : undefined
  const cause = first ?? error
  const what = `to delete records of topic "${topic}"`
  if (!isDenied(cause)) return requestError(cause, name, what)
  return new StreamError('BROKER_DENIED', `${name} refuses ${what}`, { fix: 'Allow Delete on the topic.', cause })
}

/** Brokers hear of it one after the other. */
async function gone(cluster: ClusterConnections, clock: Clock, names: readonly string[]): Promise<void> {
  const deadline = clock.now() + goneTimeoutMs
  for (;;) {
    const left = [...(await describeTopics(cluster, names)).keys()]
    if (left.length === 0) return
    if (clock.now() >= deadline)
      throw new StreamError('BROKER_UNREACHABLE', `topics ${left.join(', ')} are still there after ${goneTimeoutMs} ms`)
    await delay(clock, pollEveryMs)
  }
}
