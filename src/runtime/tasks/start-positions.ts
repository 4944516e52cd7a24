import type { RuntimeSettings } from '../../config.ts'
import { StreamError } from '../../errors.ts'
import { changelogTopic } from '../../state/changelog.ts'
import { partitionOf, subtopologyOf } from '../../topology/task-id.ts'
import type { Topology } from '../../topology/topology.ts'
import type { Broker, CommittedOffset, PartitionOffsets } from '../broker.ts'
import { decodeEpoch, decodeMark, decodeTime, type RecoveryMark } from '../commit/recovery-mark.ts'
import { partitionKey } from '../partitions.ts'
import type { TaskStart } from './task-manager.ts'

/** Where a partition goes on, and what its last owner said about what lies beyond. */
export interface StartFrom {
  readonly offset: number
  readonly mark: RecoveryMark
  /** Of that owner; 0 when it had none. */
  readonly epoch: number
  /** The largest timestamp up to the offset, milliseconds; -1 when nobody knows. */
  readonly time: number
}

export interface StartPositionsOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  readonly broker: Broker
  /** No observed index held a point when it was opened. */
  readonly indexesEmpty: boolean
}

/** Where the partitions of new tasks go on: at the committed offset, else at the first record. Throws OFFSET_OUT_OF_RANGE. */
export async function startPositions(
  starts: readonly TaskStart[],
  options: StartPositionsOptions,
): Promise<Map<string, StartFrom>> {
  const { broker, settings } = options
  const partitions = starts.flatMap((start) => start.partitions)
  const committed = await broker.committed(settings.application, partitions)
  const ranges = new Map((await broker.offsets(partitions)).map((range) => [partitionKey(range), range]))
  const isNew = committed.some(({ offset }) => offset === undefined) && (await areNew(starts, options))
  return new Map(
    committed.map((commit) => {
      const { earliest = 0, latest = 0 } = ranges.get(partitionKey(commit)) ?? {}
      const mark = commit.offset === undefined && isNew ? 'clean' : decodeMark(commit.metadata)
      const epoch = decodeEpoch(commit.metadata)
      const { offset = earliest } = commit
      const time = decodeTime(commit.metadata)
      if (isInLog(offset, { earliest, latest })) return [partitionKey(commit), { offset, mark, epoch, time }]
      const start = reset(commit, { earliest, latest }, settings)
      return [partitionKey(commit), { offset: start, mark: 'open', epoch, time: -1 }]
    }),
  )
}

/** Nothing was ever done by these tasks: neither the index nor a changelog holds anything. */
async function areNew(starts: readonly TaskStart[], options: StartPositionsOptions): Promise<boolean> {
  const { broker, settings, topology, indexesEmpty } = options
  const changelogs = starts.flatMap(({ id }) =>
    subtopologyOf(topology, id)
      .stores.filter((spec) => spec.changelog ?? true)
      .map((spec) => ({ topic: changelogTopic(settings.application, spec.name), partition: partitionOf(id) })),
  )
  const ranges = await broker.offsets(changelogs)
  return indexesEmpty && ranges.every(({ latest }) => latest === 0)
}

function reset(commit: CommittedOffset, range: LogRange, { offsetReset }: RuntimeSettings): number {
  if (offsetReset === 'earliest') return range.earliest
  if (offsetReset === 'latest') return range.latest
  throw notInLog(commit, range)
}

type LogRange = Pick<PartitionOffsets, 'earliest' | 'latest'>

/** The log still has the record of that offset, or will have it next. */
export function isInLog(offset: number, { earliest, latest }: LogRange): boolean {
  return offset >= earliest && offset <= latest
}

/** A committed offset that retention, or the end of the topic, has overtaken. */
export function notInLog({ topic, partition, offset }: CommittedOffset, { earliest, latest }: LogRange): StreamError {
  const fact = `the committed offset ${offset} of ${topic}-${partition} is not in the log, which has ${earliest} to ${latest}`
  return new StreamError('OFFSET_OUT_OF_RANGE', fact, { details: { topic, partition, offset, earliest, latest } })
}
