import { describe, expect, test } from 'vitest'
import { StreamError } from '../../src/errors.ts'
import { string } from '../../src/serde.ts'
import { GlobalState, type GlobalStore } from '../../src/state/global-state.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { ByteStore, KeyValueStore, StoreSpec } from '../../src/state/store.ts'
import { timestampedKeyValueStore } from '../../src/state/store-specs.ts'

const specOf = (name: string, storage: 'level' | 'memory' = 'level') =>
  timestampedKeyValueStore(name, { key: string, value: string, storage }) as StoreSpec

const place = (store: string, partition = 0) => ({ store, topic: 'rows', partition })
const change = (key: string, value: string | null, timestamp = 5) => ({
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  timestamp,
})

/** A disk that outlives the states on it. */
function disk(overrides: (bytes: ByteStore) => Partial<ByteStore> = () => ({})) {
  const bytes = memoryStore()
  const kept = { ...bytes, close: async () => undefined, ...overrides(bytes) }
  const open = (...names: string[]) =>
    GlobalState.open({ stores: names.map((name) => specOf(name)), openDisk: async () => kept })
  return { open, bytes }
}

const rowsIn = async (store: GlobalStore | undefined) => (store ? Array.fromAsync(store.range()) : [])

describe('the rows of global tables', () => {
  test('come with the position after them, and are there again with it', async () => {
    const { open } = disk()
    const before = await open('countries')
    await before.write(place('countries'), [change('ch', 'Bern'), change('fr', 'Paris'), change('it', 'Roma')], 3)
    await before.write(place('countries'), [change('fr', null), change('it', 'Rome', 6)], 5)
    await before.close()

    await using state = await open('countries')

    expect(await rowsIn(state.view('countries'))).toEqual([
      ['ch', { value: 'Bern', timestamp: 5 }],
      ['it', { value: 'Rome', timestamp: 6 }],
    ])
    expect([state.position(place('countries')), state.position(place('countries', 1))]).toEqual([5, undefined])
    expect(state.position({ ...place('countries'), topic: 'other' })).toBeUndefined()
  })

  test('are read anew when a later record has changed them', async () => {
    await using state = await disk().open('countries')
    await state.write(place('countries'), [change('ch', 'Zurich')], 1)
    const first = state.view('countries')?.get('ch')

    await state.write(place('countries'), [change('ch', 'Bern')], 2)

    expect([first, state.view('countries')?.get('ch')]).toMatchObject([{ value: 'Zurich' }, { value: 'Bern' }])
  })

  test('of one table go with its positions when it is wiped, and those of its neighbours stay', async () => {
    await using state = await disk().open('a', 'ab')
    for (const store of ['a', 'ab']) await state.write(place(store), [change('key', store)], 7)

    await state.wipe('a')

    expect([await rowsIn(state.view('a')), state.position(place('a'))]).toEqual([[], undefined])
    expect([await rowsIn(state.view('ab')), state.position(place('ab'))]).toEqual([
      [['key', { value: 'ab', timestamp: 5 }]],
      7,
    ])
  })

  test('do not claim to be complete after a wipe that a crash has ended early', async () => {
    let deletions = Number.POSITIVE_INFINITY
    const crashing = disk((bytes) => ({
      // As on disk: key by key, and no promise about all of them.
      clear: async (range) => {
        for await (const [key] of bytes.range(range)) {
          if (deletions-- <= 0) throw new StreamError('STATE_IO', 'the process is gone')
          await bytes.write([{ key, value: null }])
        }
      },
    }))
    await using state = await crashing.open('countries')
    for (const partition of [0, 1]) await state.write(place('countries', partition), [change('ch', 'Bern')], 1)
    deletions = 1

    await state.wipe('countries').catch(() => undefined)

    expect([0, 1].map((partition) => state.position(place('countries', partition)))).toEqual([undefined, undefined])
  })

  test('take no place on disk when all of their stores are in memory', async () => {
    const openDisk = async () => expect.fail('the disk was opened')

    await using state = await GlobalState.open({ stores: [specOf('countries', 'memory')], openDisk })
    await state.write(place('countries'), [change('ch', 'Bern')], 1)

    expect(state.view('countries')?.get('ch')).toEqual({ value: 'Bern', timestamp: 5 })
  })

  test('are refused when another version wrote them, and the disk is let go', async () => {
    let isClosed = false
    const { open, bytes } = disk(() => ({
      close: async () => {
        isClosed = true
      },
    }))
    await bytes.write([{ key: Buffer.from('\0format'), value: Buffer.from('2') }])

    await expect(open('countries')).rejects.toMatchObject({ code: 'STATE_FORMAT' })
    expect(isClosed).toBe(true)
  })

  test('are for looking only, and of known tables', async () => {
    await using state = await disk().open('countries')
    const view = state.view('countries') as unknown as KeyValueStore<string, unknown>

    expect(() => view.put('ch', { value: 'Bern', timestamp: 5 })).toThrow(
      expect.objectContaining({ code: 'ILLEGAL_STATE', fact: 'a step writes to the global table "countries"' }),
    )
    expect(state.view('cities')).toBeUndefined()
    expect(() => state.read('cities', {})).toThrow(expect.objectContaining({ code: 'STORE_UNKNOWN' }))
  })
})
