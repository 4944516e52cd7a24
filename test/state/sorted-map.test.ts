import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SortedMap } from '../../src/state/sorted-map.ts'

const keys = (map: SortedMap<unknown>) => [...map.entries().map(([key]) => key)]

describe('a sorted map', () => {
  test('keeps the order of its keys, however they arrive', () => {
    const names = Array.from({ length: 2000 }, (_, index) => String((index * 7919) % 2000).padStart(4, '0'))
    const map = new SortedMap<string>()

    for (const name of names) map.set(name, name)

    expect(keys(map)).toEqual(names.toSorted())
    expect(map.size).toBe(2000)
    expect(names.every((name) => map.get(name) === name)).toBe(true)
  })

  test('iterations that overlap with writes each see their own moment', () => {
    const move = fc.oneof(
      { weight: 20, arbitrary: fc.constant('set' as const) },
      { weight: 10, arbitrary: fc.constant('delete' as const) },
      { weight: 1, arbitrary: fc.constant('look' as const) },
    )
    const history = fc.array(fc.tuple(move, fc.nat(999)), { minLength: 500, maxLength: 2000, size: 'max' })

    fc.assert(
      fc.property(history, (moves) => {
        const played = new PlayedHistory()

        for (const [move, number] of moves) played[move](String(number))

        expect(played.faults).toEqual([])
        expect(played.looks.map(({ seen }) => [...seen])).toEqual(played.looks.map(({ expected }) => expected))
      }),
      { numRuns: 20 },
    )
  })
})

/** The same moves on a sorted map and on a plain one. */
class PlayedHistory {
  readonly looks: { seen: Iterable<readonly [string, number]>; expected: [string, number][] }[] = []
  readonly faults: string[] = []
  readonly #map = new SortedMap<number>()
  readonly #model = new Map<string, number>()
  #step = 0

  set(key: string): void {
    this.#map.set(key, ++this.#step)
    this.#model.set(key, this.#step)
    this.#check(key)
  }

  delete(key: string): void {
    if (this.#map.delete(key) !== this.#model.delete(key)) this.faults.push(`delete ${key}`)
    this.#check(key)
  }

  look(): void {
    const expected = [...this.#model].sort(([a], [b]) => (a < b ? -1 : 1))
    this.looks.push({ seen: this.#map.entries(), expected })
  }

  #check(key: string): void {
    if (this.#map.get(key) !== this.#model.get(key)) this.faults.push(`get ${key}`)
    if (this.#map.size !== this.#model.size) this.faults.push(`size after ${key}`)
  }
}
