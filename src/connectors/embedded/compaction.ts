import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ByteChange } from '../../state/store.ts'
import { bufferOf, recordKey } from './layout.ts'
import type { EmbeddedLog } from './log.ts'
import type { Partition } from './partition.ts'
import { decodeRecord, encodeRecord, removableAtOf } from './record-codec.ts'

/** One pass remembers so many keys; a partition with more new ones takes several passes. */
const maxKeys = 100_000
const defaultDeleteRetentionMs = 86_400_000
const defaultDirtyShare = 0.5

export interface CleaningTask {
  readonly log: EmbeddedLog
  readonly partition: Partition
  /** Clock time in milliseconds. */
  readonly now: number
  /** Ends the work between two slices of it; what is left is done another time. */
  readonly signal: AbortSignal
}

/** The last offset of each key among the records from `cleanedTo` to `until`. */
interface Survivors {
  readonly offsets: ReadonlyMap<string, number>
  readonly until: number
}

/** True when the records that no pass has seen outweigh the others: the rule of Kafka's log cleaner. */
export function isWorthCompacting({ topic, stable, cleaning }: Partition): boolean {
  if (topic.cleanup === 'delete') return false
  const share = Number(topic.settings['min.cleanable.dirty.ratio'] ?? defaultDirtyShare)
  const dirty = stable - cleaning.cleanedTo
  return dirty > share * (dirty + cleaning.cleanedRecords)
}

/**
 * Keeps the last value of each key below the last stable offset, as Kafka's log cleaner does: find the last offset of each key in the
 * part that is new, then go over the whole partition and drop what is older. What stays keeps its offset. A tombstone stays for
 * `delete.retention.ms` after the first pass that meets it: whoever has read the value before has so long to learn that it is gone.
 */
export async function compact(task: CleaningTask): Promise<void> {
  const { partition, signal } = task
  const target = partition.stable
  do {
    const survivors = await findSurvivors(task, target)
    await sweep(task, survivors)
  } while (partition.cleaning.cleanedTo < target && !signal.aborted)
}

async function findSurvivors({ log, partition, signal }: CleaningTask, target: number): Promise<Survivors> {
  const offsets = new Map<string, number>()
  let until = partition.cleaning.cleanedTo
  while (until < target && offsets.size < maxKeys && !signal.aborted) {
    const { records, next } = await log.read(partition, until, target)
    for (const { key, offset } of records) offsets.set(textOf(key), offset)
    until = next
    await nextTurn()
  }
  return { offsets, until }
}

async function sweep(task: CleaningTask, survivors: Survivors): Promise<void> {
  const { log, partition, signal } = task
  let left = 0
  for (let position = partition.start; position < survivors.until; await nextTurn()) {
    if (signal.aborted) return
    const { records, next } = await log.readStored(partition, position, survivors.until)
    const changes = records.map((record) => changeOf(record, task, survivors)).filter((change) => change !== undefined)
    if (changes.length > 0) await log.clean(partition, changes, partition.cleaning)
    left += records.length - changes.filter(({ value }) => value === null).length
    position = next
  }
  await log.clean(partition, [], { start: partition.start, cleanedTo: survivors.until, cleanedRecords: left })
}

/** Nothing for a record that stays as it is. */
function changeOf(
  [offset, bytes]: readonly [offset: number, bytes: Uint8Array],
  { partition, now }: CleaningTask,
  survivors: Survivors,
): ByteChange | undefined {
  const { id, settings } = partition.topic
  const key = recordKey(id, partition.index, offset)
  const record = decodeRecord(offset, bytes)
  if (offset < (survivors.offsets.get(textOf(record.key)) ?? 0)) return { key, value: null }
  if (record.value !== null) return undefined
  const removableAt = removableAtOf(bytes)
  if (removableAt !== undefined) return now >= removableAt ? { key, value: null } : undefined
  const retentionMs = Number(settings['delete.retention.ms'] ?? defaultDeleteRetentionMs)
  return { key, value: encodeRecord(record, now + retentionMs) }
}

/** Bytes as a key of a map: one character a byte. */
function textOf(key: Uint8Array | null): string {
  return key === null ? '' : bufferOf(key).toString('latin1')
}
