import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CleaningTask } from './compaction.ts'
import { recordKey } from './layout.ts'
import type { StoredRecords } from './log.ts'
import type { Partition } from './partition.ts'
import { decodeRecord } from './record-codec.ts'

/** Milliseconds that a record is kept; nothing when the topic keeps its records for ever. */
export function retentionMsOf({ topic }: Partition): number | undefined {
  if (topic.cleanup === 'compact') return undefined
  const retentionMs = Number(topic.settings['retention.ms'] ?? -1)
  return retentionMs < 0 ? undefined : retentionMs
}

/** Removes records from the start of a partition up to the first one that is younger than `retention.ms`. */
export async function expire({ log, partition, now, signal }: CleaningTask, retentionMs: number): Promise<void> {
  let isDone = false
  while (!isDone && !signal.aborted && partition.start < partition.stable) {
    const { records, next } = await log.readStored(partition, partition.start, partition.stable)
    const young = records.find(([offset, bytes]) => decodeRecord(offset, bytes).timestamp >= now - retentionMs)
    const start = young?.[0] ?? next
    if (start === partition.start) return
    await cutBefore({ log, partition }, start, records)
    isDone = young !== undefined
    await nextTurn()
  }
}

/** Removes the records in front of an offset, which must not be above the last stable one. */
export async function removeBefore({ log, partition, signal }: CleaningTask, offset: number): Promise<void> {
  while (!signal.aborted && partition.start < offset) {
    const { records, next } = await log.readStored(partition, partition.start, offset)
    await cutBefore({ log, partition }, next, records)
    await nextTurn()
  }
}

/** Moves the start of a partition; `records` are those that lie at its start now. */
async function cutBefore(
  { log, partition }: Pick<CleaningTask, 'log' | 'partition'>,
  start: number,
  records: StoredRecords['records'],
): Promise<void> {
  const { cleanedTo, cleanedRecords } = partition.cleaning
  const removed = records.filter(([offset]) => offset < start)
  const changes = removed.map(([offset]) => ({
    key: recordKey(partition.topic.id, partition.index, offset),
    value: null,
  }))
  await log.clean(partition, changes, {
    start,
    cleanedTo: Math.max(start, cleanedTo),
    cleanedRecords: Math.max(0, cleanedRecords - removed.length),
  })
}
