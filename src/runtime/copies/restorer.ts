import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { changelogTopic, changeOf } from '../../state/changelog.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { Broker, LogRecord, ReadBatch, TopicPartition } from '../broker.ts'
import type { RuntimeObserver } from '../observer.ts'
import { restoreCopy } from './table-copy.ts'

export interface RestoreOptions {
  readonly application: string
  readonly task: TaskId
  readonly partition: number
  /** Where the task goes on in the topics that it reads: stores that copy one are restored up to there. */
  readonly offsets: readonly (TopicPartition & { readonly offset: number })[]
  readonly stores: readonly StoreSpec[]
  readonly state: TaskState
  readonly broker: Broker
  readonly observer: RuntimeObserver
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What a changelog still has for a store, and the store's way to it. */
export interface StoreRestore {
  readonly store: string
  readonly changelog: TopicPartition
  readonly state: TaskState
  readonly broker: Broker
  readonly signal: AbortSignal
  /** Called when a batch is in the store. */
  readonly restored: (batch: ReadBatch) => void
}

/**
 * Brings the stores of a task up to the end of their changelogs: only the tail that the local disk lacks, which may be what an
 * interrupted restore has left. A local store that does not fit its changelog (an offset that is not there any more) is wiped, and
 * everything is restored from the start.
 */
export async function restoreTask(options: RestoreOptions): Promise<void> {
  const { clock, observer, task } = options
  const startedAt = clock.now()
  let records = 0
  const stores = options.stores.filter((spec) => spec.changelog ?? true)
  const restoreAll = async () => {
    for (const spec of stores) records += await restoreToEnd(spec, options)
    for (const spec of options.stores) records += await restoreCopy(spec, options)
  }
  try {
    await restoreAll()
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error
    await options.state.wipe()
    await restoreAll()
  }
  observer.restored?.({ task, records, durationMs: clock.now() - startedAt })
}

/** Returns the number of records. */
async function restoreToEnd({ name: store }: StoreSpec, options: RestoreOptions): Promise<number> {
  const { broker, state, application, partition, signal, clock, observer, task } = options
  const changelog = { topic: changelogTopic(application, store), partition }
  const [range] = await broker.offsets([changelog])
  const end = range?.latest ?? 0
  if (requirePosition(state, store, end) === end) return 0
  const startedAt = clock.now()
  let records = 0
  const restored = (batch: ReadBatch) => {
    records += batch.records.length
    observer.restoring?.({
      task,
      store,
      restored: batch.records.length,
      remaining: Math.max(0, end - batch.next),
      recordsPerSecond: Math.round((records * 1000) / Math.max(1, clock.now() - startedAt)),
    })
  }
  await restoreStore({ store, changelog, state, broker, signal, restored })
  return records
}

/** Where a store is in its changelog. Throws OFFSET_OUT_OF_RANGE when that lies beyond the end: it was another changelog. */
export function requirePosition(state: TaskState, store: string, end: number): number {
  const position = state.position(store) ?? 0
  if (position <= end) return position
  throw new StreamError(
    'OFFSET_OUT_OF_RANGE',
    `store "${store}" is at offset ${position}, its changelog ends at ${end}`,
  )
}

/**
 * Reads on from where the store is. The next batch is on its way while one is written, and never more than that. Each is written with
 * the position after it: whatever ends this, the next call goes on there.
 */
export async function restoreStore(options: StoreRestore): Promise<void> {
  const { store, changelog, state, broker, signal, restored } = options
  let writing: Promise<void> = Promise.resolve()
  const write = async (batch: ReadBatch) => {
    await state.restore(store, changesOf(batch.records, changelog), batch.next)
    restored(batch)
  }
  try {
    for await (const batch of broker.read(changelog, state.position(store) ?? 0, signal)) {
      await writing
      writing = write(batch)
      // Whoever waits for it next hears of its failure.
      writing.catch(() => undefined)
    }
  } finally {
    await writing
  }
}

function changesOf(records: readonly LogRecord[], changelog: TopicPartition) {
  return records.map((record) => changeOf(record, { ...changelog, offset: record.offset }))
}
