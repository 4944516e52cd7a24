import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { BrokerAdmin, GroupDescription } from '../../runtime/broker.ts'
import { administer, type KafkaClientFactory } from './client.ts'
import type { ClusterConnections } from './cluster.ts'
import { isGroupActive, isUnknownGroup, requestError } from './errors.ts'
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
