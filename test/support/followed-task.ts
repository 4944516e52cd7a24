import { ManualClock } from '../../src/clock.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { Permits } from '../../src/runtime/copies/permits.ts'
import { StandbyTask } from '../../src/runtime/copies/standby-task.ts'
import { string } from '../../src/serde.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { StoreSpec } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'

const stores = [
  { kind: 'key-value', name: 'words', key: string, value: string },
  { kind: 'key-value', name: 'passing', key: string, value: string, storage: 'memory' },
  { kind: 'key-value', name: 'local', key: string, value: string, changelog: false },
] as StoreSpec[]

export interface FollowedTaskOptions {
  readonly broker: Broker
  /** The changelog is `<application>-words-changelog`, with one partition. */
  readonly application: string
  readonly clock?: ManualClock
}

/** A standby of task 0_0, with stores of which a restart would find `words` alone. */
export async function followTask({ broker, application, clock = new ManualClock() }: FollowedTaskOptions) {
  const changelog = { topic: `${application}-words-changelog`, partition: 0 }
  await broker.createTopics([{ topic: changelog.topic, partitions: 1, cleanup: 'compact' }])
  const state = await TaskState.open({ stores, openDisk: async () => memoryStore() })
  const failures: unknown[] = []
  const failed = (error: unknown) => void failures.push(error)
  const reads = new Permits(1)
  const standby = new StandbyTask({ id: '0_0', application, stores, state, broker, clock, reads, failed })
  const has = (word: string) => state.view('words', () => 1).get(word) !== undefined
  /** To this end of the changelog; default: to where it ends now. */
  const follow = async (end?: number) => {
    const [range] = await broker.offsets([changelog])
    standby.follow(new Map([[`${changelog.topic}-0`, end ?? range?.latest ?? 0]]))
  }
  const lag = async () => {
    const [range] = await broker.offsets([changelog])
    return standby.lags(new Map([[`${changelog.topic}-0`, range?.latest ?? 0]])).get('words')
  }
  return { standby, state, changelog, failures, has, follow, lag }
}
