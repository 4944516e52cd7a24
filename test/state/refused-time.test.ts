import { expect, test } from 'vitest'
import { msgpack, string } from '../../src/serde.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { StateStore, StoreSpec } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'

type Store = StateStore & { put(...given: unknown[]): unknown }

const base = { key: string, value: msgpack<number>(), retentionMs: 100, historyMs: 100 }
const stores = [
  { kind: 'window', name: 'windows', ...base },
  { kind: 'session', name: 'sessions', ...base },
  { kind: 'versioned', name: 'prices', ...base },
] as StoreSpec[]

const session = { key: 'a', window: { startMs: 0.5, endMs: 9 } }

test.each<[string, unknown[], string]>([
  ['windows', ['a', { count: 1 }, 5, 5], 'an object as the startMs of put(key, startMs, value, timestamp)'],
  ['windows', ['a', 5, { count: 1 }], 'undefined as the timestamp of put(key, startMs, value, timestamp)'],
  ['sessions', [session, 1, 9], '0.5 as the window.startMs of put(session, value, timestamp)'],
  ['prices', ['a', 5, { count: 1 }], 'an object as the timestamp of put(key, value, timestamp)'],
])('store %s is put %j: the refusal names the store, the call and the parameter', async (name, given, what) => {
  await using state = await TaskState.open({ stores, openDisk: async () => memoryStore() })
  const store = state.view<Store>(name, () => 1)

  const refusal = { code: 'RECORD_FAILED', fact: `store "${name}" was given ${what}` }
  expect(() => store.put(...given)).toThrow(expect.objectContaining(refusal))
  expect(state.changes(1)).toEqual([])
})
