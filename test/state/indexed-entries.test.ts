import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { msgpack, string } from '../../src/serde.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { KeyRange, KeyValueStore, ScannableStore, StoreSpec } from '../../src/state/store.ts'
import { keyValueStore, timestampedKeyValueStore } from '../../src/state/store-specs.ts'
import { TaskState } from '../../src/state/task-state.ts'
import type { Timestamped } from '../../src/state/timestamped.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const nowhere = { positions: new Map(), sourceOffsets: new Uint8Array(0) }
const walked = keyValueStore('walked', { key: string, value: msgpack<number>(), keysInMemory: true })
const mortal = timestampedKeyValueStore('mortal', { key: string, value: msgpack<number>(), ttlMs: 100 })

function openInMemory(spec: StoreSpec): Promise<TaskState> {
  return TaskState.open({ stores: [spec], openDisk: async () => memoryStore() })
}

const walkedOf = (state: TaskState, generation = 1) =>
  state.view<ScannableStore<string, number>>('walked', () => generation)

const mortalAt = (state: TaskState, streamTime: number, generation = 1) =>
  state.view<KeyValueStore<string, Timestamped<number>>>(
    'mortal',
    () => generation,
    () => streamTime,
  )

describe('a store with its keys in memory', () => {
  test('is walked at once, in the order of the bytes, across generations and what is durable', async () => {
    await using state = await openInMemory(walked)
    walkedOf(state).put('b', 2)
    walkedOf(state).put('gone', 0)
    await state.persist(1, nowhere)
    walkedOf(state, 2).put('a', 1)
    walkedOf(state, 2).put('é', 5)
    walkedOf(state, 3).delete('gone')
    walkedOf(state, 3).put('Z', 4)

    const store = walkedOf(state, 3)

    expect([...store.scan()]).toEqual([
      ['Z', 4],
      ['a', 1],
      ['b', 2],
      ['é', 5],
    ])
    expect([...store.scan({ from: 'a', to: 'b', reverse: true })]).toEqual([
      ['b', 2],
      ['a', 1],
    ])
    expect([...store.scan({ from: 'a', limit: 1 })]).toEqual([['a', 1]])
    expect(store.size).toBe(4)
  })

  test('may be written while it is walked: what is deleted is left out, what is added is not met', async () => {
    await using state = await openInMemory(walked)
    const store = walkedOf(state)
    for (const key of ['a', 'b', 'c']) store.put(key, 0)
    const met: string[] = []

    for (const [key] of store.scan()) {
      met.push(key)
      store.delete('b')
      store.put('d', 0)
    }

    expect(met).toEqual(['a', 'c'])
  })

  test('finds a prefix, whatever its last byte is', async () => {
    await using state = await openInMemory(walked)
    const store = walkedOf(state)
    for (const key of ['a', 'ab', 'b']) store.put(key, 0)

    expect([...store.scanPrefix('a')].map(([key]) => key)).toEqual(['a', 'ab'])
  })

  test('knows its keys again on disk, and from its changelog', async () => {
    await using folder = await temporaryDirectory()
    const stores = [walked]
    const before = await TaskState.open({ stores, openDisk: () => openLevelStore(folder.path) })
    walkedOf(before).put('a', 1)
    walkedOf(before).put('b', 2)
    walkedOf(before).delete('b')
    const changes = before.changes(1).map((change) => ({ ...change, timestamp: 0 }))
    await before.persist(1, nowhere)
    await before.close()

    await using reopened = await TaskState.open({ stores, openDisk: () => openLevelStore(folder.path) })
    await using restored = await openInMemory(walked)
    await restored.restore('walked', changes, 2)

    expect([...walkedOf(reopened).scan()]).toEqual([['a', 1]])
    expect([...walkedOf(restored).scan()]).toEqual([['a', 1]])
  })

  test('forgets its keys when the state is wiped', async () => {
    await using state = await openInMemory(walked)
    walkedOf(state).put('a', 1)
    await state.persist(1, nowhere)

    await state.wipe()

    expect([...walkedOf(state, 2).scan()]).toEqual([])
    expect(walkedOf(state, 2).size).toBe(0)
  })

  test('is walked as a sorted map would be, after whatever writes', async () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', 'é', 'ÿ', '0'), maxLength: 3 })
    const change = fc.record({ key, value: fc.option(fc.nat(9)), persist: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 30 }), key, key, fc.boolean(), async (writes, a, b, reverse) => {
        await using state = await openInMemory(walked)
        const model = new Map<string, number>()
        let generation = 1
        for (const { key, value, persist } of writes) {
          write(walkedOf(state, generation), model, key, value)
          if (persist) await state.persist(generation++, nowhere)
        }
        const range: KeyRange<string> = { from: a, to: b, reverse }

        const store = walkedOf(state, generation)

        expect([...store.scan(range)]).toEqual(inRange(model, range))
        expect(await Array.fromAsync(store.range(range))).toEqual(inRange(model, range))
        expect([...store.scanPrefix(a)]).toEqual(inRange(model, {}).filter(([key]) => key.startsWith(a)))
        expect(store.size).toBe(model.size)
      }),
    )
  })
})

describe('a store whose values live for a time', () => {
  test('gives a value until the stream time has come to the end of its life', async () => {
    await using state = await openInMemory(mortal)
    mortalAt(state, 50).put('a', { value: 1, timestamp: 50 })

    expect(mortalAt(state, 149).get('a')).toEqual({ value: 1, timestamp: 50 })
    expect(mortalAt(state, 150).get('a')).toBeUndefined()
    expect(await Array.fromAsync(mortalAt(state, 150).range())).toEqual([])
  })

  test('deletes what is over with the next write, in the changelog too', async () => {
    await using state = await openInMemory(mortal)
    mortalAt(state, 0).put('a', { value: 1, timestamp: 0 })
    mortalAt(state, 20).put('b', { value: 2, timestamp: 20 })
    await state.persist(1, nowhere)

    mortalAt(state, 110, 2).put('c', { value: 3, timestamp: 110 })

    const changes = state.changes(2).map(({ key, value }) => [Buffer.from(key).toString(), value === null])
    expect(changes).toEqual([
      ['c', false],
      ['a', true],
    ])
  })

  test('a value that was renewed lives on from its new time', async () => {
    await using state = await openInMemory(mortal)
    mortalAt(state, 0).put('a', { value: 1, timestamp: 0 })
    mortalAt(state, 90).put('a', { value: 2, timestamp: 90 })

    mortalAt(state, 120).put('b', { value: 3, timestamp: 120 })

    expect(mortalAt(state, 120).get('a')).toEqual({ value: 2, timestamp: 90 })
  })

  test('a value that comes too late is not there, and leaves nothing behind', async () => {
    await using state = await openInMemory(mortal)

    mortalAt(state, 500).put('late', { value: 1, timestamp: 400 })

    expect(mortalAt(state, 500).get('late')).toBeUndefined()
    expect(state.changes(1).map(({ value }) => value)).toEqual([null])
  })

  test('shows nobody who only looks what is over for the task', async () => {
    await using state = await openInMemory(mortal)
    mortalAt(state, 50).put('a', { value: 1, timestamp: 50 })
    mortalAt(state, 150).get('b')

    const looked = state.view<KeyValueStore<string, unknown>>('mortal', () => -1)

    expect(looked.get('a')).toBeUndefined()
  })

  test('a limit counts only what is still there', async () => {
    await using state = await openInMemory(mortal)
    mortalAt(state, 0).put('a', { value: 1, timestamp: 0 })
    mortalAt(state, 50).put('b', { value: 2, timestamp: 50 })

    const entries = await Array.fromAsync(mortalAt(state, 100).range({ limit: 1 }))

    expect(entries).toEqual([['b', { value: 2, timestamp: 50 }]])
  })

  test('lives and dies the same after it was restored from disk or changelog at any point', async () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), ms: fc.nat(80), reopen: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const disk = memoryStore()
        // The disk outlives the state.
        const open = () =>
          TaskState.open({
            stores: [mortal],
            openDisk: async () => ({ ...disk, close: async () => undefined }),
          })
        let state = await open()
        const model = new Map<string, number>()
        let now = 0
        for (const [index, { key, ms, reopen }] of steps.entries()) {
          now += ms
          mortalAt(state, now, index).put(key, { value: index, timestamp: now })
          model.set(key, now)
          await state.persist(index, nowhere)
          if (reopen) {
            await state.close()
            state = await open()
          }
          const alive = [...model].filter(([, timestamp]) => timestamp + 100 > now).map(([name]) => name)
          const store = mortalAt(state, now)
          expect(['a', 'b', 'c'].filter((name) => store.get(name) !== undefined)).toEqual(alive.sort())
        }
      }),
    )
  })
})

function write(
  store: KeyValueStore<string, number>,
  model: Map<string, number>,
  key: string,
  value: number | null,
): void {
  if (value === null) {
    store.delete(key)
    model.delete(key)
  } else {
    store.put(key, value)
    model.set(key, value)
  }
}

function inRange(model: ReadonlyMap<string, number>, { from, to, reverse }: KeyRange<string>): [string, number][] {
  const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  const found = [...model]
    .filter(([key]) => (from === undefined || order(key, from) >= 0) && (to === undefined || order(key, to) <= 0))
    .sort(([a], [b]) => order(a, b))
  return reverse ? found.reverse() : found
}
