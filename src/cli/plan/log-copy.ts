import type { RuntimeSettings } from '../../config.ts'
import { StreamError } from '../../errors.ts'
import type {
  Broker,
  CommitOffset,
  CommittedOffset,
  PartitionOffsets,
  TopicDescription,
  TopicSpec,
} from '../../runtime/broker.ts'
import { decodeMark, type RecoveryMark } from '../../runtime/commit/recovery-mark.ts'
import { partitionsOf } from '../../runtime/partitions.ts'
import { isInLog, notInLog } from '../../runtime/tasks/start-positions.ts'
import { changelogTopic } from '../../state/changelog.ts'
import { copiedTopics, globalTopics, type Topology, topicName } from '../../topology/topology.ts'

export interface LogCopyOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  /** As if the application had been reset: without state and commits, and every record that is left is still to come. */
  readonly afterReset: boolean
  readonly signal: AbortSignal
  readonly onRecords: (records: number) => void
}

/** What was found. */
export interface LogCopy {
  /** Of each partition of a source; undefined where nothing is committed. */
  readonly marks: readonly (RecoveryMark | undefined)[]
  /** There is a changelog with records. */
  readonly hasState: boolean
}

/** Which topics a run would read or write, by what it does with them. */
interface RunTopics {
  readonly sources: ReadonlyMap<string, TopicDescription>
  readonly changelogs: ReadonlyMap<string, TopicDescription>
  /** Of global tables alone. */
  readonly globals: ReadonlyMap<string, TopicDescription>
  /** Only written. */
  readonly targets: ReadonlyMap<string, TopicDescription>
}

/**
 * Copies to another log what a run of an application would find in this one: the records that it has not committed, its changelogs, the
 * topics that tables are restored from and those of global tables, which are copied as a whole, and the marks of its commits. Nothing is
 * written here, no group is joined. Offsets of the copy begin at 0: nothing that a run counts depends on them.
 *
 * Throws TOPIC_MISSING, and OFFSET_OUT_OF_RANGE where a run would.
 */
export async function copyLog(from: Broker, to: Broker, options: LogCopyOptions): Promise<LogCopy> {
  const topics = await runTopics(from, options)
  const tables = new Set(copiedTopics(options.topology).values())
  await create(to, topics.sources, ({ topic, cleanup = 'compact' }) => (tables.has(topic) ? cleanup : 'delete'))
  await create(to, topics.targets, () => 'delete')
  await create(to, topics.changelogs, () => 'compact')
  await create(to, topics.globals, () => 'delete')
  const starts = await pending(from, topics.sources, options)
  const whole = new Set([...tables, ...globalTopics(options.topology)])
  const commits: CommitOffset[] = []
  for (const { start, metadata } of starts) {
    const { topic, partition, earliest } = start
    const before = whole.has(topic)
      ? await copyPartition(from, to, { ...start, offset: earliest, latest: start.offset }, options)
      : 0
    await copyPartition(from, to, start, options)
    if (metadata !== undefined) commits.push({ topic, partition, offset: before, metadata })
  }
  for (const { topic, partitions } of [...topics.changelogs.values(), ...topics.globals.values()])
    for (const range of await from.offsets(partitionsOf(topic, partitions)))
      await copyPartition(from, to, { ...range, offset: range.earliest }, options)
  await commit(to, options.settings.application, commits)
  const ends = await to.offsets(
    [...topics.changelogs.values()].flatMap(({ topic, partitions: count }) => partitionsOf(topic, count)),
  )
  return {
    marks: starts.map(({ metadata }) => (metadata === undefined ? undefined : decodeMark(metadata))),
    hasState: ends.some(({ latest }) => latest > 0),
  }
}

async function runTopics(from: Broker, { topology, settings, afterReset }: LogCopyOptions): Promise<RunTopics> {
  const { application } = settings
  const nodes = [...topology.nodes.values()].filter((node) => node.kind !== 'processor')
  const namesOf = (kind: string, internal: boolean) =>
    nodes
      .filter((node) => node.kind === kind && node.internal === internal)
      .flatMap((node) => topicName(node, application) ?? [])
  const stores = topology.subtopologies.flatMap((part) => part.stores).filter((spec) => spec.changelog ?? true)
  const own = stores.map((spec) => changelogTopic(application, spec.name))
  const read = namesOf('source', false)
  const external = await from.topics(read)
  const globals = await from.topics(globalTopics(topology).filter((topic) => !read.includes(topic)))
  for (const topic of [...read, ...globalTopics(topology)])
    if (!external.has(topic) && !globals.has(topic))
      throw new StreamError('TOPIC_MISSING', `${from.name} has no topic "${topic}"`)
  const internal = afterReset ? new Map() : await from.topics(namesOf('source', true))
  const targets = await from.topics(
    namesOf('sink', false).filter((topic) => !external.has(topic) && !globals.has(topic)),
  )
  return {
    sources: new Map([...external, ...internal]),
    changelogs: afterReset ? new Map() : await from.topics(own),
    globals,
    targets,
  }
}

async function create(
  to: Broker,
  topics: ReadonlyMap<string, TopicDescription>,
  cleanupOf: (topic: TopicDescription) => NonNullable<TopicSpec['cleanup']>,
): Promise<void> {
  await to.createTopics(
    [...topics.values()].map((description) => {
      const { topic, partitions } = description
      return { topic, partitions, cleanup: cleanupOf(description), settings: neverCompacted }
    }),
  )
}

/** Compaction of the copy would change how many versions there are. */
const neverCompacted = { 'min.cleanable.dirty.ratio': '1' }

interface PendingPartition {
  readonly start: PartitionOffsets & { readonly offset: number }
  /** Of the commit; undefined where there is none. */
  readonly metadata: string | undefined
}

/** Where a run would begin in each partition of its sources. */
async function pending(
  from: Broker,
  sources: ReadonlyMap<string, TopicDescription>,
  { settings, afterReset }: LogCopyOptions,
): Promise<readonly PendingPartition[]> {
  const partitions = [...sources.values()].flatMap(({ topic, partitions: count }) => partitionsOf(topic, count))
  const ranges = await from.offsets(partitions)
  const committed = afterReset ? [] : await from.committed(settings.application, partitions)
  return ranges.map((range, at) => {
    const known = committed[at]
    if (known?.offset === undefined) return { start: { ...range, offset: range.earliest }, metadata: undefined }
    if (isInLog(known.offset, range)) return { start: { ...range, offset: known.offset }, metadata: known.metadata }
    return { start: { ...range, offset: resetTo(known, range, settings) }, metadata: '' }
  })
}

function resetTo(commit: CommittedOffset, range: PartitionOffsets, { offsetReset }: RuntimeSettings): number {
  if (offsetReset === 'fail') throw notInLog(commit, range)
  return offsetReset === 'earliest' ? range.earliest : range.latest
}

/** What lies from `offset` on and before `latest`. Gives the number of records. */
async function copyPartition(
  from: Broker,
  to: Broker,
  { topic, partition, offset, latest }: PartitionOffsets & { readonly offset: number },
  { signal, onRecords }: LogCopyOptions,
): Promise<number> {
  if (offset >= latest) return 0
  let copied = 0
  const producer = await to.producer()
  try {
    for await (const { records, next } of from.read({ topic, partition }, offset, signal)) {
      const wanted = records.filter((record) => record.offset < latest)
      if (wanted.length > 0) await producer.send(wanted.map((record) => ({ ...record, topic, partition })))
      copied += wanted.length
      onRecords(wanted.length)
      if (next >= latest) break
    }
    return copied
  } finally {
    await producer.close()
  }
}

async function commit(to: Broker, group: string, offsets: readonly CommitOffset[]): Promise<void> {
  if (offsets.length === 0) return
  const producer = await to.producer({ transactionalId: 'copy' })
  const transaction = await producer.begin()
  await transaction.sendOffsets(group, offsets)
  await transaction.commit()
  await producer.close()
}
