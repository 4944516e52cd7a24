import { type Clock, delay } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { ReadBatch, TopicPartition } from '../../runtime/broker.ts'
import type { ClusterConnections } from './cluster.ts'
import { isOutOfRange, requestError } from './errors.ts'
import { type Cluster, type FetchedPartition, type FetchResponse, readCommitted } from './internals.ts'
import { committedRecords } from './records.ts'

/** What one read holds in memory and decodes without a break, unless a single batch of records is larger. */
const fetchBytes = 262_144
const emptyFetches = 100
const emptyPauseMs = 50

export interface ReadContext {
  readonly cluster: ClusterConnections
  readonly clock: Clock
  readonly name: string
  readonly signal: AbortSignal | undefined
}

/** Fetches without a group: a join costs seconds, and a restore of an empty store should cost nothing. */
export async function* readPartition(
  partition: TopicPartition,
  from: number,
  context: ReadContext,
): AsyncGenerator<ReadBatch> {
  const release = context.cluster.hold([partition.topic])
  try {
    yield* readToEnd(partition, from, context)
  } finally {
    release()
  }
}

async function* readToEnd(partition: TopicPartition, from: number, context: ReadContext): AsyncGenerator<ReadBatch> {
  let position = from
  let end = Number.POSITIVE_INFINITY
  let empty = 0
  while (position < end) {
    context.signal?.throwIfAborted()
    const fetched = await fetchFrom(partition, position, context)
    if (!fetched) {
      empty++
      await waitForProgress(partition, { position, end, empty }, context)
      continue
    }
    if (end === Number.POSITIVE_INFINITY) end = Number(fetched.lastStableOffset)
    const next = Math.min(nextOffset(fetched, position), end)
    if (next > position) {
      const records = committedRecords(fetched, position)
      yield { records: records.filter(({ offset }) => offset < next), next }
      position = next
      empty = 0
    } else if (position < end) {
      empty++
      await waitForProgress(partition, { position, end, empty }, context)
    }
  }
}

/** Undefined when the broker says that the offset is out of range, and a moment later that it is not. */
async function fetchFrom(
  { topic, partition }: TopicPartition,
  offset: number,
  { cluster, name }: ReadContext,
): Promise<FetchedPartition | undefined> {
  try {
    return await cluster.using([topic], async (connections) => {
      const broker = await connections.findBroker({ nodeId: leaderOf(connections, topic, partition) })
      const response: FetchResponse = await broker.fetch({
        isolationLevel: readCommitted,
        // No waiting for records: what is read ends at what was there when the read began.
        maxWaitTime: 0,
        minBytes: 0,
        maxBytes: fetchBytes,
        topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: fetchBytes }] }],
      })
      const fetched = response.responses[0]?.partitions[0]
      if (fetched) return fetched
      throw new StreamError('BROKER_UNREACHABLE', `${name} left ${topic}-${partition} out of its answer`)
    })
  } catch (error) {
    if (!isOutOfRange(error)) throw requestError(error, name, `records of ${topic}-${partition}`)
    const [range] = await cluster.offsets([{ topic, partition }])
    if (range && offset >= range.earliest && offset <= range.latest) return undefined
    const fact = `offset ${offset} of ${topic}-${partition} is outside of what the log holds`
    throw new StreamError('OFFSET_OUT_OF_RANGE', fact, { cause: error, details: { topic, partition, offset } })
  }
}

/** The number of the broker that leads a partition whose metadata is loaded. */
export function leaderOf(cluster: Cluster, topic: string, partition: number): string {
  const metadata = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)
  if (metadata) return String(metadata.leader)
  throw new StreamError('TOPIC_MISSING', `${topic}-${partition} does not exist`, { details: { topic, partition } })
}

/** The last batch says where it ends; control records and what compaction left are passed with it. */
function nextOffset({ messages }: FetchedPartition, position: number): number {
  const last = messages.at(-1)
  return last ? Math.max(position, Number(last.offset) + 1) : position
}

async function waitForProgress(
  { topic, partition }: TopicPartition,
  { position, end, empty }: { readonly position: number; readonly end: number; readonly empty: number },
  { clock, name, signal }: ReadContext,
): Promise<void> {
  if (empty > emptyFetches) {
    const fact = `${name} gives nothing of ${topic}-${partition} from offset ${position} on, although it ends at ${end}`
    throw new StreamError('BROKER_UNREACHABLE', fact, { details: { topic, partition, offset: position } })
  }
  await delay(clock, emptyPauseMs, signal)
}
