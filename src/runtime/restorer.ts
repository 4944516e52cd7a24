import { isStreamError, StreamError } from '../errors.ts'
import { changelogTopic, changeOf } from '../state/changelog.ts'
import type { StoreSpec } from '../state/store.ts'
import type { TaskState } from '../state/task-state.ts'
import type { TaskId } from '../topology/processor.ts'
import type { Broker, ReadBatch, TopicPartition } from './broker.ts'
import type { RuntimeObserver } from './observer.ts'

export interface RestoreOptions {
  readonly application: string
  readonly task: TaskId
  readonly partition: number
  readonly stores: readonly StoreSpec[]
  readonly state: TaskState
  readonly broker: Broker
  readonly observer: RuntimeObserver
  readonly signal: AbortSignal
}

/**
 * Brings the stores of a task up to the end of their changelogs: only the tail that the local disk lacks. A local store that does not
 * fit its changelog (an offset that is not there any more) is wiped, and everything is restored from the start.
 */
export async function restoreTask(options: RestoreOptions): Promise<void> {
  const stores = options.stores.filter((spec) => spec.changelog ?? true)
  try {
    for (const spec of stores) await restoreStore(spec, options)
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error
    await options.state.wipe()
    for (const spec of stores) await restoreStore(spec, options)
  }
}

async function restoreStore(spec: StoreSpec, options: RestoreOptions): Promise<void> {
  const { broker, state, application, partition, signal } = options
  const changelog = { topic: changelogTopic(application, spec.name), partition }
  const [range] = await broker.offsets([changelog])
  const from = state.position(spec.name) ?? 0
  const end = range?.latest ?? 0
  if (from > end) {
    throw new StreamError(
      'OFFSET_OUT_OF_RANGE',
      `store "${spec.name}" is at offset ${from}, its changelog ends at ${end}`,
    )
  }
  if (from === end) return
  for await (const batch of broker.read(changelog, from, signal)) {
    await state.restore(spec.name, changesOf(batch, changelog), batch.next)
    const remaining = Math.max(0, end - batch.next)
    options.observer.restoring?.({ task: options.task, store: spec.name, restored: batch.records.length, remaining })
  }
}

function changesOf(batch: ReadBatch, { topic, partition }: TopicPartition) {
  return batch.records.map((record) => changeOf(record, `the record at ${topic}-${partition} offset ${record.offset}`))
}
