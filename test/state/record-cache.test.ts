import { describe, expect, test } from 'vitest'
import { RecordCache } from '../../src/state/record-cache.ts'

describe('the record cache', () => {
  test('never holds more than its bound, and lets go of what was not used for longest', () => {
    const cache = new RecordCache(100_000)

    for (let index = 0; index < 1000; index++) {
      cache.set(`key ${index}`, index, 1000)
      cache.get('key 0')
      expect(cache.bytes).toBeLessThanOrEqual(100_000)
    }

    expect(cache.get('key 0')).toBe(0)
    expect(cache.get('key 1')).toBeUndefined()
    expect(cache.get('key 999')).toBe(999)
    expect(cache.bytes).toBeGreaterThan(80_000)
  })

  test('refuses a value that would need all of it, and forgets the older value of that key', () => {
    const cache = new RecordCache(10_000)
    cache.set('a', 'small', 10)
    cache.set('b', 'small', 10)

    cache.set('a', 'huge', 10_000)

    expect(cache.get('a')).toBeUndefined()
    expect(cache.get('b')).toBe('small')
  })

  test('counts a replaced or deleted value no longer', () => {
    const cache = new RecordCache(10_000)
    cache.set('a', 1, 10)
    const one = cache.bytes

    cache.set('a', 2, 500)
    cache.set('a', 3, 10)
    const replaced = cache.bytes
    cache.delete('a')
    cache.delete('a')

    expect(replaced).toBe(one)
    expect(cache.bytes).toBe(0)
    expect(cache.get('a')).toBeUndefined()
  })
})
