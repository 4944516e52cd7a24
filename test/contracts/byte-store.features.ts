import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ByteChange, ByteRange, ByteStore } from '../../src/state/store.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const text = (data: Uint8Array | undefined): string | undefined => data && Buffer.from(data).toString('latin1')
const put = (key: string, value = `value of ${key}`): ByteChange => ({ key: bytes(key), value: bytes(value) })
const del = (key: string): ByteChange => ({ key: bytes(key), value: null })

async function keysOf(entries: ReturnType<ByteStore['range']>): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of entries) keys.push(text(key) ?? '')
  return keys
}

/** What every ByteStore does. `open` gives a new, empty one. */
export function byteStoreFeatures(name: string, open: () => Promise<ByteStore>): void {
  describe(`${name} as a byte store`, () => {
    test('a written value is read, an absent or deleted one is undefined', async () => {
      await using store = await open()

      await store.write([put('a', '1'), put('b', '2')])
      await store.write([del('b'), del('never there')])

      expect(text(store.get(bytes('a')))).toBe('1')
      expect(store.get(bytes('b'))).toBeUndefined()
      expect(store.get(bytes('c'))).toBeUndefined()
    })

    test('the changes of one write apply in order', async () => {
      await using store = await open()

      await store.write([put('a', '1'), del('a'), put('b', '1'), put('b', '2'), put('c', '1'), del('c')])

      expect(await keysOf(store.range())).toEqual(['b'])
      expect(text(store.get(bytes('b')))).toBe('2')
    })

    test('an empty write changes nothing', async () => {
      await using store = await open()

      await store.write([])

      expect(await keysOf(store.range())).toEqual([])
    })

    test('the empty key, the empty value and keys inside a larger buffer are as good as others', async () => {
      await using store = await open()
      const shared = bytes('..key..')

      await store.write([{ key: new Uint8Array(0), value: bytes('of the empty key') }])
      await store.write([{ key: shared.subarray(2, 5), value: new Uint8Array(0) }])

      expect(text(store.get(new Uint8Array(0)))).toBe('of the empty key')
      expect(text(store.get(bytes('key')))).toBe('')
      expect(await keysOf(store.range())).toEqual(['', 'key'])
    })

    test('keys are ordered as unsigned bytes', async () => {
      await using store = await open()

      await store.write([put('\xff'), put('\x80'), put('a'), put('\x00'), put('aa'), put('b'), put('Z')])

      expect(await keysOf(store.range())).toEqual(['\x00', 'Z', 'a', 'aa', 'b', '\x80', '\xff'])
    })

    test.each<[string, ByteRange, string[]]>([
      ['gte includes its key', { gte: bytes('b') }, ['b', 'c', 'd']],
      ['gt excludes its key', { gt: bytes('b') }, ['c', 'd']],
      ['lte includes its key', { lte: bytes('c') }, ['a', 'b', 'c']],
      ['lt excludes its key', { lt: bytes('c') }, ['a', 'b']],
      ['bounds between keys', { gt: bytes('aa'), lt: bytes('cc') }, ['b', 'c']],
      ['reverse', { reverse: true }, ['d', 'c', 'b', 'a']],
      ['reverse with bounds', { gt: bytes('a'), lte: bytes('c'), reverse: true }, ['c', 'b']],
      ['limit', { gte: bytes('b'), limit: 2 }, ['b', 'c']],
      ['reverse with a limit', { lt: bytes('d'), reverse: true, limit: 2 }, ['c', 'b']],
      ['limit 0', { limit: 0 }, []],
      ['an impossible range', { gt: bytes('c'), lt: bytes('b') }, []],
    ])('a range: %s', async (_, range, expected) => {
      await using store = await open()
      await store.write([put('c'), put('a'), put('d'), put('b')])

      expect(await keysOf(store.range(range))).toEqual(expected)
    })

    test('a range sees the store as it was at the call, whatever is written before and while it is read', async () => {
      await using store = await open()
      await store.write([put('a', 'old'), put('b', 'old'), put('c', 'old')])

      const range = store.range()
      await store.write([put('a', 'new'), put('aa', 'new'), del('c')])
      const seen: (string | undefined)[][] = []
      for await (const [key, value] of range) {
        seen.push([text(key), text(value)])
        await store.write([put('b', 'new'), put('bb', 'new')])
      }

      expect(seen).toEqual([
        ['a', 'old'],
        ['b', 'old'],
        ['c', 'old'],
      ])
    })

    test('two ranges may be read at once, and one may be left half way', async () => {
      await using store = await open()
      await store.write(Array.from({ length: 100 }, (_, index) => put(String.fromCharCode(index))))

      const first = store.range()[Symbol.asyncIterator]()
      await first.next()
      for await (const [key] of store.range()) if (key[0] === 50) break
      const second = await first.next()

      expect(second.value?.[0][0]).toBe(1)
    })

    test('the size of a range on disk grows with what is in it alone, where it is known', async () => {
      await using store = await open()
      const megabytes = Array.from({ length: 64 }, (_, at) => put(`b${at}`, randomBytes(65_536).toString('latin1')))
      await store.write([put('a'), ...megabytes, put('c')])
      await store.compact?.(bytes('a'), bytes('d'))

      const [whole, before] = [store.diskBytes?.(bytes('b'), bytes('c')), store.diskBytes?.(bytes('a'), bytes('b'))]

      if (!whole || !before) return expect([whole, before]).toEqual([undefined, undefined])
      expect(await whole).toBeGreaterThan(3_500_000)
      expect(await before).toBeLessThan(500_000)
    })

    test('thousands of entries come back in order, both ways', async () => {
      await using store = await open()
      const keys = Array.from({ length: 5000 }, (_, index) => String(index).padStart(6, '0'))
      const shuffled = keys.toSorted((a, b) => Number([...a].reverse().join('')) - Number([...b].reverse().join('')))

      await store.write(shuffled.map((key) => put(key)))

      expect(await keysOf(store.range())).toEqual(keys)
      expect(await keysOf(store.range({ reverse: true }))).toEqual(keys.toReversed())
    })

    test('clear deletes the keys of its range alone, and everything without one', async () => {
      await using store = await open()
      await store.write([put('a'), put('b'), put('c'), put('d')])

      await store.clear({ gte: bytes('b'), lt: bytes('d') })
      const left = await keysOf(store.range())
      await store.clear()

      expect(left).toEqual(['a', 'd'])
      expect(await keysOf(store.range())).toEqual([])
    })

    test('a closed store refuses everything with ILLEGAL_STATE, and may be closed again', async () => {
      const store = await open()
      await store.write([put('a'), put('b')])
      const begun = store.range()[Symbol.asyncIterator]()
      const illegal = expect.objectContaining({ code: 'ILLEGAL_STATE' })

      await store.close()
      await store.close()

      expect(() => store.get(bytes('a'))).toThrow(illegal)
      expect(() => store.range()).toThrow(illegal)
      await expect(begun.next()).rejects.toThrow(illegal)
      await expect(store.write([put('b')])).rejects.toThrow(illegal)
      await expect(store.clear()).rejects.toThrow(illegal)
    })

    test('it behaves like a sorted map for any writes and ranges', async () => {
      const writes = fc.array(fc.array(change, { maxLength: 40 }), { maxLength: 4 })

      const property = fc.asyncProperty(writes, fc.array(textRange), async (batches, ranges) => {
        await using store = await open()
        const model = new Map<string, string>()
        for (const batch of batches) {
          apply(batch, model)
          await store.write(batch.map(byteChange))
        }

        for (const range of ranges) {
          expect(await keysOf(store.range(byteRange(range)))).toEqual(keysWithin(model, range))
        }
      })

      await fc.assert(property, { numRuns: 60 })
    })
  })
}

interface TextRange {
  readonly bounds: readonly ['gte' | 'gt' | 'lte' | 'lt', string][]
  readonly reverse: boolean
  readonly limit: number
}

type TextChange = readonly [key: string, value: string | null]

const key = fc.string({ unit: fc.constantFrom('a', 'b', '\x00', '\xff'), maxLength: 3 })
const change = fc.tuple(key, fc.option(fc.string({ maxLength: 2 })))
const textRange: fc.Arbitrary<TextRange> = fc.record({
  bounds: fc
    .tuple(
      fc.option(fc.tuple(fc.constantFrom('gte' as const, 'gt' as const), key)),
      fc.option(fc.tuple(fc.constantFrom('lte' as const, 'lt' as const), key)),
    )
    .map((bounds) => bounds.filter((bound) => bound !== null)),
  reverse: fc.boolean(),
  limit: fc.nat(5),
})

function byteChange([key, value]: TextChange): ByteChange {
  return value === null ? del(key) : put(key, value)
}

function apply(changes: readonly TextChange[], model: Map<string, string>): void {
  for (const [key, value] of changes) {
    if (value === null) model.delete(key)
    else model.set(key, value)
  }
}

function byteRange({ bounds, reverse, limit }: TextRange): ByteRange {
  return { ...Object.fromEntries(bounds.map(([bound, key]) => [bound, bytes(key)])), reverse, limit }
}

const satisfies = {
  gte: (key: string, bound: string) => key >= bound,
  gt: (key: string, bound: string) => key > bound,
  lte: (key: string, bound: string) => key <= bound,
  lt: (key: string, bound: string) => key < bound,
}

function keysWithin(model: ReadonlyMap<string, string>, { bounds, reverse, limit }: TextRange): string[] {
  const keys = [...model.keys()].filter((key) => bounds.every(([bound, limit]) => satisfies[bound](key, limit))).sort()
  return (reverse ? keys.reverse() : keys).slice(0, limit)
}
