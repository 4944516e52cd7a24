import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { QueryableStore } from '../../../src/runtime/views.ts'
import { cursorOf, cursorText, pageRequestOf, storeOf } from '../../../src/serve/queries/page-request.ts'

const storeWith = (keySerde: string): QueryableStore => ({
  name: 'counts',
  kind: 'window',
  keySerde,
  partitions: 4,
  isGlobal: false,
})
const read = (query: string, keySerde = 'string') => pageRequestOf(new URLSearchParams(query), storeWith(keySerde))
const refused = (fact: string, fix: string) =>
  expect.objectContaining({ code: 'QUERY_INVALID', fact: `the query cannot be read: ${fact}`, fix })

describe('a request for entries', () => {
  test('asks for everything, a hundred at a time, when it says nothing else', () => {
    const { query, staleness, limit, partition, cursor } = read('store=counts')

    expect(Object.values(query)).toEqual(Array.from({ length: 7 }, () => undefined))
    expect(Object.values(staleness)).toEqual([undefined, undefined])
    expect([limit, partition, cursor]).toEqual([100, undefined, undefined])
  })

  test('may name a range, times, a partition, bounds of staleness and a limit', () => {
    const request = read(
      'from=a&to=z&prefix=p&fromMs=-5&toMs=5&partition=3&maxBehindMs=0&maxBehindRecords=9&limit=1000',
    )

    expect(request).toMatchObject({
      query: { from: 'a', to: 'z', prefix: 'p', fromMs: -5, toMs: 5 },
      partition: 3,
      staleness: { maxBehindMs: 0, maxBehindRecords: 9 },
      limit: 1_000,
    })
    expect(read('partition=all').partition).toBe('all')
  })

  test('has text for keys that are text, hexadecimal for bytes, and JSON for all others', () => {
    expect(read('key=0x0aff&prefix=0x0a', 'string').query).toMatchObject({ key: '0x0aff', prefix: '0x0a' })
    expect(read('key=0x0aFF&prefix=0x', 'bytes').query).toMatchObject({
      key: Buffer.from([10, 255]),
      prefix: Buffer.alloc(0),
    })
    expect(read('key={"id":1}&prefix=7b', 'json').query).toMatchObject({ key: { id: 1 }, prefix: '7b' })
  })

  test.each([
    [
      'key={"id"',
      'json',
      /^the query cannot be read: `key` is no JSON: /,
      'Keys of this store (json) are given as JSON.',
    ],
    ['to=0x0', 'bytes', /`to` is no bytes$/, 'Give them in hexadecimal: 0x0aff.'],
    ['limit=0', 'string', /`limit` is "0"$/, 'Give a whole number from 1 to 1000.'],
    ['limit=1001', 'string', /`limit` is "1001"$/, 'Give a whole number from 1 to 1000.'],
    ['toMs=9007199254740992', 'string', /`toMs` is "9007199254740992"$/, 'Give a whole number.'],
    ['fromMs=1.5', 'string', /`fromMs` is "1.5"$/, 'Give a whole number.'],
    ['atMs=', 'string', /`atMs` is ""$/, 'Give a whole number.'],
    ['partition=-1', 'string', /`partition` is "-1"$/, 'Give a whole number.'],
    ['maxBehindMs=99999999999999999', 'string', /`maxBehindMs` is "9{17}"$/, 'Give a whole number.'],
    ['next=0', 'string', /`next` is not what a page gave$/, 'Give it as it came, or leave it out.'],
  ])('is refused with %s for keys of %s', (query, keySerde, fact, fix) => {
    expect(() => read(query, keySerde)).toThrow(
      expect.objectContaining({ code: 'QUERY_INVALID', fact: expect.stringMatching(fact), fix }),
    )
  })

  test('names its store, and nothing twice or unknown', () => {
    const name = (query: string) => () => storeOf(new URLSearchParams(query))

    expect(name('store=counts&key=a')()).toBe('counts')
    expect(name('key=a')).toThrow(refused('no store is named', 'Give `store`.'))
    expect(name('store=')).toThrow(refused('no store is named', 'Give `store`.'))
    expect(name('store=a&store=b')).toThrow(refused('`store` is given twice', 'Correct the query.'))
    expect(name('store=a&partitoin=1')).toThrow(refused('nobody knows `partitoin`', 'Did you mean `partition`?'))
  })
})

test('where a page ended can be written down and read again', () => {
  const cursor = fc.record({
    partition: fc.nat({ max: 999_999_999 }),
    after: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 }), { nil: undefined }),
  })
  fc.assert(
    fc.property(cursor, ({ partition, after }) => {
      const found = cursorOf(cursorText({ partition, after }))

      expect(found?.partition).toBe(partition)
      expect(found?.after && [...found.after]).toEqual(after && [...after])
    }),
  )
  expect(['', '1', 'a.', '1.+', '1.a b', '9999999999.'].map(cursorOf)).toEqual(
    Array.from({ length: 6 }, () => undefined),
  )
})
