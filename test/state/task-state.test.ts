import { describe, expect, test, vi } from 'vitest'
import { StreamError } from '../../src/errors.ts'
import { string } from '../../src/serde.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { ByteStore, KeyValueStoreSpec, StoreSpec } from '../../src/state/store.ts'
import { type GenerationMark, TaskState } from '../../src/state/task-state.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const texts = (name: string, options: Partial<KeyValueStoreSpec<string, string>> = {}) =>
  ({ kind: 'key-value', name, key: string, value: string, ...options }) as StoreSpec

const stores = [
  texts('first'),
  texts('second'),
  texts('local', { changelog: false }),
  texts('volatile', { storage: 'memory' }),
]

const mark = (positions: Record<string, number> = {}, source = ''): GenerationMark => ({
  positions: new Map(Object.entries(positions)),
  sourceOffsets: Buffer.from(source),
})

/** A disk in memory that survives the states that use it. */
function lastingDisk(): ByteStore {
  const disk = memoryStore()
  return { ...disk, close: async () => undefined, [Symbol.asyncDispose]: async () => undefined }
}

const open = (disk: ByteStore, specs: readonly StoreSpec[] = stores) =>
  TaskState.open({ stores: specs, openDisk: async () => disk })

const textOf = (bytes: Uint8Array | null | undefined) => bytes && Buffer.from(bytes).toString()

describe('the state of a task', () => {
  test('keeps persisted generations, their positions and source offsets over a restart, and nothing else', async () => {
    await using folder = await temporaryDirectory()
    const openDisk = () => openLevelStore(folder.path)
    const before = await TaskState.open({ stores, openDisk })
    before.view('first', () => 1).put('a', '1')
    before.view('second', () => 1).put('a', '2')
    await before.persist(1, mark({ first: 11, second: 7 }, 'documents 42'))
    before.view('first', () => 2).put('a', 'lost')
    before.view('first', () => 2).put('b', 'lost')
    await before.close()

    await using after = await TaskState.open({ stores, openDisk })

    const first = after.view('first', () => 3)
    expect([first.get('a'), first.get('b'), after.view('second', () => 3).get('a')]).toEqual(['1', undefined, '2'])
    expect([after.position('first'), after.position('second')]).toEqual([11, 7])
    expect(textOf(after.sourceOffsets)).toBe('documents 42')
  })

  test('says of each store what it holds, how it was read, and how much of the disk is its own', async () => {
    const sizes: string[][] = []
    const diskBytes = async (...bounds: Uint8Array[]) => sizes.push(bounds.map((bound) => textOf(bound) ?? ''))
    await using state = await open({ ...lastingDisk(), diskBytes })
    const first = state.view('first', () => 1)
    first.get('a')
    first.put('a', '1')
    first.get('a')
    const held = state.stats.map(({ heldBytes }) => heldBytes > 0)
    await state.persist(1, mark())
    first.get('a')

    expect(held).toEqual([true, false, false, false])
    expect(state.stats[0]).toEqual({ name: 'first', heldBytes: 0, reads: { overlay: 1, cache: 1, bytes: 1 } })
    expect([...(await state.diskBytes()).keys()]).toEqual(['first', 'second', 'local'])
    expect(sizes[0]).toEqual(['first\0', 'first\u0001'])
  })

  test('lists the changes of a generation for the changelogs: plain keys, store after store, last writes last', async () => {
    await using state = await open(lastingDisk())
    const [first, second, local, volatile] = stores.map(({ name }) => state.view(name, () => 1))

    volatile?.put('v', '1')
    second?.put('a', '1')
    first?.put('a', '1')
    first?.put('b', '1')
    local?.put('x', '1')
    first?.put('a', '2')
    first?.delete('c')
    state.view('first', () => 2).put('a', 'of the next generation')

    const changes = state.changes(1).map(({ store, key, value }) => [store, textOf(key), textOf(value)])
    expect(changes).toEqual([
      ['first', 'b', '1'],
      ['first', 'a', '2'],
      ['first', 'c', null],
      ['second', 'a', '1'],
      ['volatile', 'v', '1'],
    ])
  })

  test('writes a generation as one batch', async () => {
    const disk = lastingDisk()
    await using state = await open(disk)
    const write = vi.spyOn(disk, 'write')
    state.view('first', () => 1).put('a', '1')
    state.view('second', () => 1).delete('b')

    await state.persist(1, mark({ first: 1, volatile: 5 }, 'w'))

    // Two changes, one position on disk, the source offsets.
    expect(write.mock.calls.map(([changes]) => changes.length)).toEqual([4])
    expect(state.position('volatile')).toBeUndefined()
  })

  test('persists generations in order alone', async () => {
    await using state = await open(lastingDisk())
    state.view('second', () => 1).put('a', '1')
    state.view('first', () => 2).put('a', '2')

    const outOfOrder = state.persist(2, mark())

    await expect(outOfOrder).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    await state.persist(1, mark())
    await state.persist(2, mark())
    expect(state.overlayBytes()).toBe(0)
  })

  test('keeps a generation whose write failed, and persists it at the next attempt', async () => {
    const disk = lastingDisk()
    await using state = await open(disk)
    state.view('first', () => 1).put('a', '1')
    vi.spyOn(disk, 'write').mockRejectedValueOnce(new StreamError('STATE_IO', 'no space left'))

    const failing = state.persist(1, mark({ first: 1 }))

    await expect(failing).rejects.toMatchObject({ code: 'STATE_IO' })
    expect(state.view('first', () => 2).get('a')).toBe('1')
    expect(state.position('first')).toBeUndefined()
    await state.persist(1, mark({ first: 1 }))
    await using after = await open(disk)
    expect(after.view('first', () => 1).get('a')).toBe('1')
  })

  test('counts the bytes that wait, per generation and in all', async () => {
    await using state = await open(lastingDisk())
    state.view('first', () => 1).put('a', 'x'.repeat(1000))
    state.view('volatile', () => 1).put('a', 'x'.repeat(1000))
    state.view('first', () => 2).put('a', 'x'.repeat(500))

    expect(state.overlayBytes(1)).toBeGreaterThan(2000)
    expect(state.overlayBytes(2)).toBeGreaterThan(500)
    expect(state.overlayBytes()).toBe(state.overlayBytes(1) + state.overlayBytes(2))
    await state.persist(1, mark())
    expect(state.overlayBytes()).toBe(state.overlayBytes(2))
  })

  test('restores a store from changelog records, batch by batch, deletions included', async () => {
    const disk = lastingDisk()
    const state = await open(disk)
    const change = (key: string, value: string | null) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      timestamp: 0,
    })

    await state.restore('first', [change('a', '1'), change('b', '1'), change('a', '2')], 10)
    const first = state.view('first', () => 1)
    const between = [first.get('a'), first.get('b'), state.position('first')]
    await state.restore('first', [change('b', null), change('a', '3')], 25)
    await state.restore('volatile', [change('v', '1')], 4)

    expect(between).toEqual(['2', '1', 10])
    expect([first.get('a'), first.get('b')]).toEqual(['3', undefined])
    expect(state.view('volatile', () => 1).get('v')).toBe('1')
    await state.close()
    await using after = await open(disk)
    expect(after.position('first')).toBe(25)
    expect(after.position('second')).toBeUndefined()
    expect(after.view('first', () => 1).get('a')).toBe('3')
    expect(after.view('volatile', () => 1).get('v')).toBeUndefined()
  })

  test('a wipe forgets entries, cached values, positions and source offsets, also on disk', async () => {
    const disk = lastingDisk()
    const state = await open(disk)
    for (const { name } of stores) state.view(name, () => 1).put('a', '1')
    const tooEarly = state.wipe()
    await expect(tooEarly).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    await state.persist(1, mark({ first: 3 }, 'w'))

    await state.wipe()

    for (const again of [state, await open(disk)]) {
      expect(stores.map(({ name }) => again.view(name, () => 2).get('a'))).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
      ])
      expect(again.position('first')).toBeUndefined()
      expect(again.sourceOffsets).toBeUndefined()
    }
  })

  test('refuses a store that another kind or layout of store left on disk', async () => {
    const disk = lastingDisk()
    await (await open(disk)).close()
    await disk.write([{ key: Buffer.from('\0format\0second'), value: Uint8Array.of(9) }])

    const reopening = open(disk)

    await expect(reopening).rejects.toMatchObject({ code: 'STATE_FORMAT', fact: expect.stringContaining('"second"') })
    const without = await open(disk, [texts('first')])
    expect(without.position('first')).toBeUndefined()
  })

  test('names both kinds when a store has become one of another kind', async () => {
    const disk = lastingDisk()
    await (await open(disk)).close()
    const { key, value } = texts('second')

    const reopening = open(disk, [texts('first'), { kind: 'window', name: 'second', key, value, retentionMs: 1 }])

    await expect(reopening).rejects.toMatchObject({
      code: 'STATE_FORMAT',
      fact: 'store "second" is of kind key-value on disk, and of kind window in the topology',
    })
  })

  test('closes the disk when opening fails', async () => {
    const disk = lastingDisk()
    await disk.write([{ key: Buffer.from('\0format\0first'), value: Uint8Array.of(9) }])
    const close = vi.spyOn(disk, 'close')

    await expect(open(disk)).rejects.toMatchObject({ code: 'STATE_FORMAT' })

    expect(close).toHaveBeenCalledOnce()
  })

  test('opens no disk for stores in memory', async () => {
    const openDisk = vi.fn()

    await using state = await TaskState.open({ stores: [texts('volatile', { storage: 'memory' })], openDisk })
    state.view('volatile', () => 1).put('a', '1')
    await state.persist(1, mark({ volatile: 1 }))

    expect(state.view('volatile', () => 2).get('a')).toBe('1')
    expect(openDisk).not.toHaveBeenCalled()
  })

  test('does not know a store that it was not given', async () => {
    await using state = await open(lastingDisk())

    expect(() => state.view('third', () => 1)).toThrow(expect.objectContaining({ code: 'STORE_UNKNOWN' }))
    expect(() => state.position('third')).toThrow(expect.objectContaining({ code: 'STORE_UNKNOWN' }))
  })
})
