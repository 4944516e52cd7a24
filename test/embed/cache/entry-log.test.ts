import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CacheEntry } from '../../../src/embed/cache/entry.ts'
import { EntryLog } from '../../../src/embed/cache/entry-log.ts'
import { memoryStore } from '../../../src/state/memory-store.ts'
import type { ByteStore } from '../../../src/state/store.ts'
import { entryOf } from './entries.ts'

const dimensions = 2

/** Bytes of a log that is full with so many entries. */
async function bytesOf(entries: number): Promise<number> {
  const log = await openLog(memoryStore(), Number.MAX_SAFE_INTEGER)
  await log.append([entryOf('a', dimensions)])
  return entries * log.bytes
}

function openLog(store: ByteStore, maxBytes: number): Promise<EntryLog> {
  return EntryLog.open(store, { embedder: 'test', dimensions, maxBytes })
}

async function contents(log: EntryLog, count?: number): Promise<readonly CacheEntry[]> {
  return Array.fromAsync(log.newest(count))
}

function newestOf(entries: readonly CacheEntry[], count: number): CacheEntry[] {
  return entries.slice(Math.max(0, entries.length - count))
}

/** Keys in the store, to find what nobody needs any more. */
async function keysIn(store: ByteStore): Promise<number> {
  return (await Array.fromAsync(store.range())).length
}

describe('the log of entries', () => {
  const batches = fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), { maxLength: 6 }))

  test('holds the newest entries up to its bound, also when it is opened again with another one', async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.nat(6), fc.nat(6), async (written, room, laterRoom) => {
        const store = memoryStore()
        let model: CacheEntry[] = []
        const log = await openLog(store, await bytesOf(room))
        for (const [time, texts] of written.entries()) {
          const entries = texts.map((text) => entryOf(text, dimensions, time))
          await log.append(entries)
          model = newestOf([...model, ...entries], room)
          expect(log.size).toBe(model.length)
        }
        const reopened = await openLog(store, await bytesOf(laterRoom))
        model = newestOf(model, laterRoom)

        const latest = new Map(model.map((entry) => [entry.key, entry]))
        expect(reopened.size).toBe(model.length)
        expect(reopened.bytes).toBe(await bytesOf(model.length))
        expect(await contents(reopened)).toEqual(model.filter((entry) => latest.get(entry.key) === entry))
        for (const text of 'abcdefgh') {
          const { key } = entryOf(text, dimensions)
          expect(reopened.get(key)).toEqual(latest.get(key))
        }
        expect(await keysIn(store)).toBe(1 + model.length + latest.size)
      }),
      { numRuns: 60 },
    )
  })

  test('gives the disk its room back for every eighth that has gone, also when it is opened again in between', async () => {
    const compacted: Uint8Array[] = []
    const store: ByteStore = { ...memoryStore(), compact: async (_from, to) => void compacted.push(to) }
    let log = await openLog(store, await bytesOf(80))
    for (let number = 0; number < 105; number++) {
      await log.append([entryOf(String(number), dimensions)])
      if (number % 3 === 0) log = await openLog(store, await bytesOf(80))
    }

    expect(compacted.map((to) => to.at(-1))).toEqual([10, 20])
  })

  test('gives the newest few, the oldest of them first', async () => {
    const log = await openLog(memoryStore(), await bytesOf(10))
    const [a, b, c] = ['a', 'b', 'c'].map((text) => entryOf(text, dimensions)) as [CacheEntry, CacheEntry, CacheEntry]
    await log.append([a, b, c])

    expect(await contents(log, 2)).toEqual([b, c])
  })

  test('says which entry is damaged, and goes on without it', async () => {
    const store = memoryStore()
    const log = await openLog(store, await bytesOf(2))
    const [a, b, c] = ['a', 'b', 'c'].map((text) => entryOf(text, dimensions)) as [CacheEntry, CacheEntry, CacheEntry]
    await log.append([a, b])
    for await (const [key, value] of store.range({ gte: Buffer.from('e'), lt: Buffer.from('f'), limit: 1 }))
      await store.write([{ key, value: Uint8Array.from(value, (byte, at) => (at === 43 ? 255 - byte : byte)) }])

    expect(log.get(a.key)).toBe('damaged')
    expect(await contents(log)).toEqual([b])
    await log.append([c])
    expect(log.get(a.key)).toBeUndefined()
    expect(await contents(log)).toEqual([b, c])
  })

  test('does not give the entry of one text to another', async () => {
    const store = memoryStore()
    const log = await openLog(store, await bytesOf(2))
    const [a, b] = ['a', 'b'].map((text) => entryOf(text, dimensions)) as [CacheEntry, CacheEntry]
    await log.append([a, b])
    const places = await Array.fromAsync(store.range({ gte: Buffer.from('p') }))
    await store.write(places.map(([key], at) => ({ key, value: places[1 - at]?.[1] ?? null })))

    expect([log.get(a.key), log.get(b.key)]).toEqual(['damaged', 'damaged'])
  })

  test('is not opened when something else wrote the store', async () => {
    const store = memoryStore()
    await openLog(store, 1_000)

    const opening = EntryLog.open(store, { embedder: 'another', dimensions, maxBytes: 1_000 })

    await expect(opening).rejects.toMatchObject({ code: 'STATE_FORMAT' })
  })
})
