import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LruMap } from '../src/lru-map.ts'

/** What a list of entries, searched from end to end, would hold. */
class Reference {
  readonly maxBytes: number
  entries: { key: number; value: number; bytes: number }[] = []

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get(key: number): number | undefined {
    const entry = this.entries.find((one) => one.key === key)
    if (!entry) return undefined
    this.entries = [...this.entries.filter((one) => one !== entry), entry]
    return entry.value
  }

  set(key: number, value: number, bytes: number): void {
    this.entries = this.entries.filter((one) => one.key !== key)
    if (bytes > this.maxBytes) return
    this.entries.push({ key, value, bytes })
    while (this.bytes > this.maxBytes) this.entries.shift()
  }

  get bytes(): number {
    return this.entries.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

describe('a map that is bounded by bytes', () => {
  test('holds what was used last, whatever is done to it', () => {
    const key = fc.integer({ min: 0, max: 5 })
    const use = fc.record({ key, bytes: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }) })
    fc.assert(
      fc.property(fc.array(use), (uses) => {
        const [map, reference] = [new LruMap<number, number>({ maxBytes: 10 }), new Reference(10)]
        for (const [value, { key, bytes }] of uses.entries()) {
          if (bytes === undefined) expect(map.get(key)).toBe(reference.get(key))
          else {
            map.set(key, value, bytes)
            reference.set(key, value, bytes)
          }
          expect([...map.values()]).toEqual(reference.entries.map((entry) => entry.value))
          expect([map.bytes, map.size]).toEqual([reference.bytes, reference.entries.length])
        }
      }),
    )
  })

  test('a look counts as no use', () => {
    const map = new LruMap<string, number>({ maxBytes: 2 })
    map.set('a', 1, 1)
    map.set('b', 2, 1)

    const seen = map.peek('a')
    map.set('c', 3, 1)

    expect(seen).toBe(1)
    expect([...map.values()]).toEqual([2, 3])
  })

  test('evicts as far as it is told, once its bound is passed', () => {
    const map = new LruMap<number, number>({ maxBytes: 10, evictToBytes: 5 })
    for (let key = 0; key < 10; key++) map.set(key, key, 1)
    const full = map.size

    map.set(10, 10, 1)

    expect(full).toBe(10)
    expect([...map.values()]).toEqual([6, 7, 8, 9, 10])
  })

  test('is empty after it was cleared', () => {
    const map = new LruMap<string, number>({ maxBytes: 10 })
    map.set('a', 1, 10)

    map.clear()

    expect([map.size, map.bytes, map.get('a')]).toEqual([0, 0, undefined])
  })
})
