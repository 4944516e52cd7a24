import { describe, expect, test } from 'vitest'
import { msgpack, string } from '../../src/serde.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { KeyValueStore, SessionStore, StoreSpec, WindowStore } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import type { Timestamped } from '../../src/state/timestamped.ts'
import { restartedState } from '../support/restarted-state.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const base = { key: string, value: msgpack<number>() }
const stores = [
  { kind: 'window', name: 'windows', retentionMs: 100, ...base },
  { kind: 'session', name: 'sessions', retentionMs: 100, ...base },
  { kind: 'timestamped-key-value', name: 'values', ...base },
] as StoreSpec[]

const windowsOf = (state: TaskState, generation = 1) =>
  state.view<WindowStore<string, number>>('windows', () => generation)
const sessionsOf = (state: TaskState, generation = 1) =>
  state.view<SessionStore<string, number>>('sessions', () => generation)

function openInMemory(): Promise<TaskState> {
  return TaskState.open({ stores, openDisk: async () => memoryStore() })
}

describe('a window store', () => {
  test('finds the windows of a key between two starts, not those of a key that it begins with', async () => {
    await using state = await openInMemory()
    const windows = windowsOf(state)
    for (const [key, startMs] of [
      ['a', 20],
      ['a', 0],
      ['ab', 10],
      ['a', 10],
      ['a', 30],
    ] as const)
      windows.put(key, startMs, startMs + 1, startMs)

    const found = windows.fetchRange('a', 10, 20)

    expect(found).toEqual([
      { startMs: 10, value: 11, timestamp: 10 },
      { startMs: 20, value: 21, timestamp: 20 },
    ])
    expect([...windows.between(0, 10)].map(([key, { startMs }]) => [key, startMs])).toEqual([
      ['a', 0],
      ['a', 10],
      ['ab', 10],
    ])
  })

  test('forgets what starts a retention time before the latest start, and refuses to keep it', async () => {
    await using state = await openInMemory()
    const windows = windowsOf(state)
    windows.put('a', 0, 1, 5)
    windows.put('b', 1, 1, 5)

    windows.put('a', 100, 2, 100)

    expect([...windows.all()].map(([key, { startMs }]) => [key, startMs])).toEqual([
      ['a', 100],
      ['b', 1],
    ])
    expect(windows.fetch('a', 0)).toBeUndefined()
    expect(windows.put('a', 0, 3, 5)).toBe(false)
  })

  test('a key that is changed between a look-up and a put is another key', async () => {
    const spec = { kind: 'window', name: 'windows', retentionMs: 100, ...base, key: msgpack<{ id: number }>() }
    await using state = await TaskState.open({ stores: [spec as StoreSpec], openDisk: async () => memoryStore() })
    const windows = state.view<WindowStore<{ id: number }, number>>('windows', () => 1)
    const key = { id: 1 }
    windows.fetch(key, 0)

    key.id = 2
    windows.put(key, 0, 1, 0)

    expect([...windows.all()].map(([found]) => found)).toEqual([{ id: 2 }])
    expect([windows.fetch({ id: 1 }, 0), windows.fetch(key, 0)]).toEqual([undefined, { value: 1, timestamp: 0 }])
  })

  test('its changelog has the keys of Kafka Streams, plain values, and their times', async () => {
    await using state = await openInMemory()
    windowsOf(state).put('a', 100, 7, 149)

    expect(state.changes(1)).toEqual([
      {
        store: 'windows',
        key: Buffer.from('61000000000000006400000000', 'hex'),
        value: Buffer.from(base.value.serialize(7)),
        timestamp: 149,
      },
    ])
  })
})

describe('a session store', () => {
  test('finds sessions that touch a stretch of time, and forgets old ones', async () => {
    await using state = await openInMemory()
    const sessions = sessionsOf(state)
    const put = (startMs: number, endMs: number) => sessions.put({ key: 'a', window: { startMs, endMs } }, 1, endMs)
    put(0, 10)
    put(20, 40)
    put(60, 70)

    expect(sessions.findSessions('a', 15, 60).map(({ session }) => session.window)).toEqual([
      { startMs: 20, endMs: 40 },
      { startMs: 60, endMs: 70 },
    ])
    put(110, 110)
    expect([...sessions.all()].map(({ session }) => session.window.endMs)).toEqual([40, 70, 110])
    expect(state.changes(1).at(-1)?.value).toBeNull()
  })
})

describe.each([
  ['from disk', true],
  ['from the changelogs', false],
])('after a restart %s', (_, fromDisk) => {
  test('windows, sessions, values and the time observed are the same', async () => {
    await using folder = await temporaryDirectory()
    await using after = await restartedState(stores, { folder: folder.path, fromDisk }, (before) => {
      windowsOf(before).put('a', 0, 1, 5)
      windowsOf(before).put('a', 50, 2, 149)
      sessionsOf(before).put({ key: 'a', window: { startMs: 3, endMs: 9 } }, 4, 9)
      before.view<KeyValueStore<string, Timestamped<number>>>('values', () => 1).put('a', { value: 6, timestamp: 77 })
    })

    const windows = windowsOf(after, 2)
    expect(windows.fetchRange('a', 0, 200).map(({ value, timestamp }) => [value, timestamp])).toEqual([
      [1, 5],
      [2, 149],
    ])
    expect([windows.observedMs, sessionsOf(after, 2).observedMs]).toEqual([149, 9])
    expect(sessionsOf(after, 2).findSessions('a', 9, 3)).toHaveLength(1)
    expect(after.view('values', () => 2).get('a')).toEqual({ value: 6, timestamp: 77 })
    windows.put('a', 100, 3, 160)
    expect([...windows.all()].map(([, { startMs }]) => startMs)).toEqual([50, 100])
  })
})
