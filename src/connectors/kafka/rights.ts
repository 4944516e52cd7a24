import type { Admin } from 'kafkajs'
import { StreamError } from '../../errors.ts'
import type { MissingRight, TopicSpec, WantedRights } from '../../runtime/broker.ts'
import type { ClusterConnections } from './cluster.ts'
import { firstOf, isDenied, isForeignMember, isForeignProducer, isUnknownTopic } from './errors.ts'
import { offsetsLog, transactionLog } from './transaction-log.ts'

export interface RightsOptions {
  /** Of the cluster, for the errors. */
  readonly name: string
  readonly cluster: ClusterConnections
  readonly admin: <T>(action: (admin: Admin) => Promise<T>) => Promise<T>
}

/** No topic has it: brokers check the rights first, and then refuse. */
const nowhere = 2_147_483_647
/** No group and no transactional id gave it to anybody. */
const nobody = {
  memberId: 'millrace-nobody',
  groupGenerationId: 1,
  producerId: '9223372036854775807',
  producerEpoch: 0,
}

/**
 * Finds out what the user may do by asking for things that cannot be done: a record for a partition that no topic has, a heartbeat of a
 * member that is none, the end of a transaction of a producer that is none. A broker looks at rights before it looks at these, so that the
 * answer tells, and nothing has happened. Topics are created with `validateOnly`.
 */
export async function missingRights(wanted: WantedRights, options: RightsOptions): Promise<readonly MissingRight[]> {
  const { transactionalId } = wanted
  const [needed, useful] = await Promise.all([
    refusals(neededProbes(wanted, options)),
    transactionalId === undefined ? [] : refusals(repairProbes(options)),
  ])
  return [...needed.map((error) => ({ error, isNeeded: true })), ...useful.map((error) => ({ error, isNeeded: false }))]
}

async function refusals(probes: readonly Promise<StreamError | undefined>[]): Promise<readonly StreamError[]> {
  return (await Promise.all(probes)).flatMap((error) => error ?? [])
}

function denial(name: string, what: string, allow: string): StreamError {
  return new StreamError('BROKER_DENIED', `${name} does not let the user ${what}`, { fix: `Allow ${allow}.` })
}

/** What whoever opens a transactional producer looks at: see `hanging-transactions.ts`. */
function repairProbes({ name, cluster }: RightsOptions): Promise<StreamError | undefined>[] {
  const lost = {
    [offsetsLog]: 'a transaction that a broker leaves open there is not noticed',
    [transactionLog]: 'a transaction that a broker leaves open is aborted, whatever was decided',
  }
  return Object.entries(lost).map(([topic, loss]) =>
    isRefused(
      mayRead(cluster, topic),
      denial(name, `read topic "${topic}": ${loss}`, `Describe and Read on topic "${topic}"`),
    ),
  )
}

function neededProbes(wanted: WantedRights, options: RightsOptions): Promise<StreamError | undefined>[] {
  const { name, cluster } = options
  const { group, transactionalId } = wanted
  const denied = (what: string, allow: string) => denial(name, what, allow)
  return [
    ...wanted.reads.map((topic) =>
      isRefused(mayRead(cluster, topic), denied(`read topic "${topic}"`, `Describe and Read on topic "${topic}"`)),
    ),
    ...wanted.writes.map((topic) =>
      isRefused(mayWrite(cluster, topic), denied(`write topic "${topic}"`, `Describe and Write on topic "${topic}"`)),
    ),
    ...wanted.creates.map((spec) =>
      isRefused(
        mayCreate(options, spec),
        denied(`create topic "${spec.topic}"`, `Create on topic "${spec.topic}", or create it`),
      ),
    ),
    isRefused(mayJoin(cluster, group), denied(`join group "${group}"`, `Describe and Read on group "${group}"`)),
    ...(transactionalId === undefined
      ? []
      : [
          isRefused(
            mayTransact(cluster, transactionalId),
            denied(
              `use transactional id "${transactionalId}"`,
              `Describe and Write on transactional ids that begin with "${group}-", or use \`at_least_once\``,
            ),
          ),
        ]),
  ]
}

async function isRefused(probe: Promise<void>, denial: StreamError): Promise<StreamError | undefined> {
  try {
    await probe
    return undefined
  } catch (error) {
    if (isDenied(firstOf(error))) return denial
    throw error
  }
}

async function mayRead(cluster: ClusterConnections, topic: string): Promise<void> {
  const partitions = [{ partition: nowhere, fetchOffset: '0', maxBytes: 1 }]
  await cluster.askAny(`a look at topic "${topic}"`, (broker) =>
    unless(isUnknownTopic, broker.fetch({ replicaId: -1, maxWaitTime: 0, topics: [{ topic, partitions }] })),
  )
}

async function mayWrite(cluster: ClusterConnections, topic: string): Promise<void> {
  const partitions = [{ partition: nowhere, firstSequence: 0, messages: [{ key: null, value: null, headers: {} }] }]
  await cluster.askAny(`a look at topic "${topic}"`, (broker) =>
    unless(isUnknownTopic, broker.produce({ topicData: [{ topic, partitions }] })),
  )
}

async function mayCreate({ admin }: RightsOptions, { topic, partitions }: TopicSpec): Promise<void> {
  await admin((client) =>
    client.createTopics({
      validateOnly: true,
      waitForLeaders: false,
      topics: [{ topic, numPartitions: partitions, replicationFactor: -1 }],
    }),
  )
}

async function mayJoin(cluster: ClusterConnections, group: string): Promise<void> {
  const { memberId, groupGenerationId } = nobody
  await cluster.askCoordinator(group, 'a look', (coordinator) =>
    unless(isForeignMember, coordinator.heartbeat({ groupId: group, memberId, groupGenerationId })),
  )
}

async function mayTransact(cluster: ClusterConnections, transactionalId: string): Promise<void> {
  const { producerId, producerEpoch } = nobody
  await cluster.askTransactionCoordinator(transactionalId, (coordinator) =>
    unless(
      isForeignProducer,
      coordinator.endTxn({ transactionalId, producerId, producerEpoch, transactionResult: false }),
    ),
  )
}

/** The refusal that is expected of whoever has the right. */
async function unless(isExpected: (error: unknown) => boolean, request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => {
    if (!isExpected(error)) throw error
  })
}
