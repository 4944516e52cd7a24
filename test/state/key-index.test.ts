import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyIndex } from '../../src/state/key-index.ts'

const names = ['a', 'b', 'c', 'd']
const key = fc.constantFrom(...names)
const timeMs = fc.integer({ min: -2, max: 6 })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), key, timeMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('before' as const), timeMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
type Times = Map<string, number>

function play(index: KeyIndex, times: Times, step: Step): void {
  if (step.kind === 'set') {
    index.set(step.key, step.timeMs)
    times.set(step.key, step.timeMs)
  } else if (step.kind === 'delete') {
    index.delete(step.key)
    times.delete(step.key)
  } else if (step.kind === 'clear') {
    index.clear()
    times.clear()
  } else expect(index.before(step.timeMs)).toEqual(expiring(times, step.timeMs))
}

/** In the order in which they expire. What has a time before 1970 counts as of its first moment. */
function expiring(times: Times, untilMs: number): string[] {
  const places = [...times].map(([name, time]) => ({ name, time: Math.max(0, time) }))
  const due = places.filter(({ time }) => time <= untilMs)
  return due.sort((a, b) => a.time - b.time || (a.name < b.name ? -1 : 1)).map(({ name }) => name)
}

describe('an index of keys', () => {
  test('knows the keys in order and by time, as a plain map would, whatever is written in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const index = new KeyIndex({ byTime: true })
        const times: Times = new Map()
        for (const step of steps) {
          play(index, times, step)
          expect([...index.keys({})]).toEqual([...times.keys()].sort())
          expect(index.size).toBe(times.size)
        }
        expect(names.map((name) => index.timeOf(name))).toEqual(names.map((name) => times.get(name)))
      }),
      { numRuns: 500 },
    )
  })

  test('finds the key that comes right behind a time until which there was none any more', () => {
    const index = new KeyIndex({ byTime: true })
    index.set('gone', 3)
    index.set('a', 5)
    index.delete('gone')

    expect([index.before(4), index.before(5)]).toEqual([[], ['a']])
  })

  test('gives the keys of a range as they are at the call', () => {
    const index = new KeyIndex({ byTime: false })
    for (const name of ['a', 'b', 'c']) index.set(name, 0)

    const keys = index.keys({ gte: 'b' })
    index.delete('c')
    index.set('d', 0)

    expect([...keys]).toEqual(['b', 'c'])
  })

  test('lets nothing expire where the store does not delete by time', () => {
    const index = new KeyIndex({ byTime: false })
    index.set('a', 0)

    expect(index.before(1_000)).toEqual([])
  })
})
