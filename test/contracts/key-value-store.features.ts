import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { json, msgpack, type Serde, string } from '../../src/serde.ts'
import type { KeyValueStore, KeyValueStoreSpec } from '../../src/state/store.ts'

/** A store under test, with the generations that its writes go to. */
export interface OpenedStore<K, V> extends AsyncDisposable {
  /** The store for writes into that generation. */
  at(generation: number): KeyValueStore<K, V>
  /** Makes the generation durable and drops its overlay. */
  persist(generation: number): Promise<void>
}

export type OpenStore = <K, V>(spec: Omit<KeyValueStoreSpec<K, V>, 'kind' | 'storage'>) => Promise<OpenedStore<K, V>>

async function entriesOf<K, V>(entries: AsyncIterable<readonly [K, V]>): Promise<(readonly [K, V])[]> {
  return Array.fromAsync(entries)
}

async function keysOf<K>(entries: AsyncIterable<readonly [K, unknown]>): Promise<K[]> {
  return (await Array.fromAsync(entries)).map(([key]) => key)
}

/** What every KeyValueStore does, wherever its entries are at that moment. */
export function keyValueStoreFeatures(name: string, open: OpenStore): void {
  const texts = { name: 'texts', key: string, value: string }

  describe(`${name} as a key-value store`, () => {
    test('sees its own writes at once, newer generations first', async () => {
      await using opened = await open(texts)

      opened.at(1).put('a', 'first')
      opened.at(1).put('b', 'first')
      opened.at(2).put('a', 'second')
      opened.at(2).delete('b')

      expect(opened.at(1).get('a')).toBe('second')
      expect(opened.at(2).get('b')).toBeUndefined()
      expect(opened.at(2).get('never')).toBeUndefined()
    })

    test('a write into an older open generation does not cover a newer one', async () => {
      await using opened = await open(texts)

      opened.at(2).put('a', 'newer')
      opened.at(1).put('a', 'older')
      opened.at(1).put('b', 'older')

      expect(opened.at(2).get('a')).toBe('newer')
      expect(opened.at(2).get('b')).toBe('older')
    })

    test('reads the same before and after each generation is persisted', async () => {
      await using opened = await open(texts)
      const store = opened.at(2)
      opened.at(1).put('kept', '1')
      opened.at(1).put('changed', '1')
      opened.at(1).put('deleted', '1')
      store.put('changed', '2')
      store.delete('deleted')
      const read = async () => [
        store.get('kept'),
        store.get('changed'),
        store.get('deleted'),
        await entriesOf(store.range()),
      ]
      const before = await read()

      await opened.persist(1)
      const between = await read()
      await opened.persist(2)
      const after = await read()

      expect(before).toEqual([
        '1',
        '2',
        undefined,
        [
          ['changed', '2'],
          ['kept', '1'],
        ],
      ])
      expect(between).toEqual(before)
      expect(after).toEqual(before)
    })

    test('refuses writes into a generation whose commit has begun', async () => {
      await using opened = await open(texts)
      opened.at(1).put('a', '1')

      const persisting = opened.persist(1)

      expect(() => opened.at(1).put('a', '2')).toThrow(expect.objectContaining({ code: 'ILLEGAL_STATE' }))
      await persisting
      expect(() => opened.at(1).delete('a')).toThrow(expect.objectContaining({ code: 'ILLEGAL_STATE' }))
      expect(opened.at(2).get('a')).toBe('1')
    })

    describe('a range', () => {
      /** c, e and i are durable; the rest lies in two generations, with e deleted and i changed there. */
      async function spread(): Promise<OpenedStore<string, string>> {
        const opened = await open(texts)
        for (const key of ['c', 'e', 'i']) opened.at(1).put(key, 'durable')
        await opened.persist(1)
        for (const key of ['a', 'd', 'i']) opened.at(2).put(key, 'older')
        for (const key of ['d', 'k']) opened.at(3).put(key, 'newer')
        opened.at(3).delete('e')
        return opened
      }

      test('joins what is durable with every open generation, in key order', async () => {
        await using opened = await spread()

        const entries = await entriesOf(opened.at(3).range())

        expect(entries).toEqual([
          ['a', 'older'],
          ['c', 'durable'],
          ['d', 'newer'],
          ['i', 'older'],
          ['k', 'newer'],
        ])
      })

      test('has inclusive bounds, may go backwards and may be limited', async () => {
        await using opened = await spread()
        const store = opened.at(3)

        expect(await keysOf(store.range({ from: 'c', to: 'i' }))).toEqual(['c', 'd', 'i'])
        expect(await keysOf(store.range({ from: 'b', to: 'h' }))).toEqual(['c', 'd'])
        expect(await keysOf(store.range({ to: 'd' }))).toEqual(['a', 'c', 'd'])
        expect(await keysOf(store.range({ reverse: true }))).toEqual(['k', 'i', 'd', 'c', 'a'])
        expect(await keysOf(store.range({ from: 'd', reverse: true, limit: 2 }))).toEqual(['k', 'i'])
        expect(await keysOf(store.range({ from: 'd', limit: 2 }))).toEqual(['d', 'i'])
        expect(await keysOf(store.range({ limit: 0 }))).toEqual([])
        expect(await keysOf(store.range({ from: 'i', to: 'c' }))).toEqual([])
      })

      test('skips as many deleted entries as there are without shortening its limit', async () => {
        await using opened = await open(texts)
        const keys = Array.from({ length: 300 }, (_, index) => String(index).padStart(3, '0'))
        for (const key of keys) opened.at(1).put(key, key)
        await opened.persist(1)

        for (const key of keys.slice(0, 290)) opened.at(2).delete(key)

        expect(await keysOf(opened.at(2).range({ limit: 3 }))).toEqual(['290', '291', '292'])
      })

      test('sees the store as it was when the iteration began', async () => {
        await using opened = await spread()
        const store = opened.at(3)
        const seen: string[] = []

        for await (const [key] of store.range()) {
          seen.push(key)
          store.put('b', 'late')
          store.put('z', 'late')
          store.delete('k')
          if (key === 'c') await opened.persist(2)
        }

        expect(seen).toEqual(['a', 'c', 'd', 'i', 'k'])
        expect(await keysOf(store.range())).toEqual(['a', 'b', 'c', 'd', 'i', 'z'])
      })

      test('starts with the first step, not with the call', async () => {
        await using opened = await spread()
        const range = opened.at(3).range({ from: 'k' })

        opened.at(3).put('z', 'before the first step')

        expect(await keysOf(range)).toEqual(['k', 'z'])
      })
    })

    test('a prefix gives the keys that start with it, from all places', async () => {
      await using opened = await open(texts)
      for (const key of ['b', 'ba', 'c']) opened.at(1).put(key, key)
      await opened.persist(1)
      for (const key of ['a', 'bb', 'b\u{10ffff}', 'ba']) opened.at(2).put(key, key)

      const keys = await keysOf(opened.at(2).prefix('b'))

      expect(keys).toEqual(['b', 'ba', 'bb', 'b\u{10ffff}'])
      expect(await keysOf(opened.at(2).prefix(''))).toHaveLength(6)
      expect(await keysOf(opened.at(2).prefix('x'))).toEqual([])
    })

    test('keys keep the order of their bytes, the highest bytes included', async () => {
      const number: Serde<number> = {
        name: 'number',
        serialize: (value) => Uint8Array.of(value >> 8, value & 255),
        deserialize: ([high = 0, low = 0]) => high * 256 + low,
      }
      await using opened = await open({ name: 'numbers', key: number, value: msgpack<{ n: number }>() })
      const numbers = [65535, 0, 255, 256, 65280, 300]

      for (const n of numbers.slice(0, 3)) opened.at(1).put(n, { n })
      await opened.persist(1)
      for (const n of numbers.slice(3)) opened.at(2).put(n, { n })

      expect(await keysOf(opened.at(2).range())).toEqual(numbers.toSorted((a, b) => a - b))
      expect(opened.at(2).get(65535)).toEqual({ n: 65535 })
    })

    test('the same value object comes back until it leaves memory, an equal one afterwards', async () => {
      await using opened = await open({ name: 'values', key: string, value: msgpack<{ n: number }>() })
      const value = { n: 1 }

      opened.at(1).put('a', value)
      const fromOverlay = opened.at(1).get('a')
      await opened.persist(1)
      const fromCache = opened.at(2).get('a')

      expect(fromOverlay).toBe(value)
      expect(fromCache).toBe(value)
    })

    test('a value that cannot be written is refused at once, with the name of the store, and changes nothing', async () => {
      await using opened = await open({ name: 'documents', key: string, value: json(z.unknown()) })
      opened.at(1).put('a', 'before')
      const circular: { self?: unknown } = {}
      circular.self = circular

      const put = () => opened.at(1).put('a', circular)

      expect(put).toThrow(
        expect.objectContaining({
          code: 'RECORD_UNENCODABLE',
          fact: expect.stringContaining('"documents"'),
          details: { store: 'documents' },
        }),
      )
      expect(opened.at(1).get('a')).toBe('before')
    })

    test('a stored value that its serde refuses is reported with the name of the store', async () => {
      const broken: Serde<string> = {
        ...string,
        deserialize: () => {
          throw new TypeError('out of order')
        },
      }
      await using opened = await open({ name: 'documents', key: string, value: broken })
      opened.at(1).put('a', 'x')
      await opened.persist(1)
      const read = () => entriesOf(opened.at(2).range())

      await expect(read()).rejects.toMatchObject({
        code: 'STATE_FORMAT',
        fact: 'store "documents": out of order',
      })
    })
  })
}
