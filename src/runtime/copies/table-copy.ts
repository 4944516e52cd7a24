import type { RestoredChange } from '../../state/changelog.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { Broker, LogRecord, TopicPartition } from '../broker.ts'

export interface CopyOptions {
  readonly offsets: readonly (TopicPartition & { readonly offset: number })[]
  readonly state: TaskState
  readonly broker: Broker
  readonly signal: AbortSignal
}

/**
 * Restores a store that copies a topic: what lies before the offset at which the task goes on, and nothing behind it, because the task will
 * take that itself. Returns the number of records; 0 for other stores.
 */
export async function restoreCopy(spec: StoreSpec, { offsets, state, broker, signal }: CopyOptions): Promise<number> {
  const place = offsets.find(({ topic }) => topic === spec.copyOf)
  if (!place) return 0
  const { topic, partition, offset: until } = place
  const [range] = await broker.offsets([{ topic, partition }])
  // A known position that the log does not hold any more is an error: rows may have gone with it.
  const from = state.position(spec.name) ?? range?.earliest ?? 0
  if (from >= until) return 0
  let records = 0
  for await (const batch of broker.read({ topic, partition }, from, signal)) {
    const before = batch.records.filter(({ offset }) => offset < until)
    await state.restore(
      spec.name,
      before.flatMap((record) => rowOf(spec, record)),
      Math.min(batch.next, until),
    )
    records += before.length
    if (batch.next >= until) break
  }
  return records
}

/** As the task has stored it. What it could not read it has given up, and a record without a key it has dropped. */
function rowOf({ key, value }: StoreSpec, record: LogRecord): RestoredChange[] {
  if (record.key === null) return []
  try {
    return [
      {
        key: key.serialize(key.deserialize(record.key)),
        value: record.value === null ? null : value.serialize(value.deserialize(record.value)),
        timestamp: record.timestamp,
      },
    ]
  } catch {
    return []
  }
}
