import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { timedStore } from '../../../src/runtime/nodes/timed-store.ts'
import type { ScannableStore } from '../../../src/state/store.ts'

/** A store of three keys that takes its time: 2 ms for a value or a write, 5 ms to begin a walk and for each step of it. */
function slowStore() {
  const clock = new ManualClock()
  const keys = ['a', 'b', 'c']
  let open = 0
  const walk = function* () {
    open++
    try {
      for (const key of keys) {
        clock.advance(5)
        yield [key, ['a value', 'that can be walked']] as const
      }
    } finally {
      open--
    }
  }
  const begun = <Walk>(begin: () => Walk) => {
    clock.advance(5)
    return begin()
  }
  const store: ScannableStore<string, readonly string[]> = {
    name: 'slow',
    get size() {
      return keys.length
    },
    get: () => {
      clock.advance(2)
      return ['a value', 'that can be walked']
    },
    put: () => clock.advance(2),
    delete: () => {
      throw new Error('refused')
    },
    range: () =>
      begun(async function* () {
        yield* walk()
      }),
    prefix: async function* () {
      yield* walk()
    },
    scan: () => begun(walk),
    scanPrefix: walk,
  }
  const told: [string, number][] = []
  return {
    clock,
    told,
    open: () => open,
    store: timedStore(store, clock, (op, durationMs) => told.push([op, durationMs])),
  }
}

test('a call counts at once, also one that fails, and a value that can be walked is no walk', () => {
  const { store, told } = slowStore()

  const value = store.get('a')
  store.put('a', ['new'])
  expect(() => store.delete('a')).toThrow('refused')

  expect(Array.isArray(value)).toBe(true)
  expect(told).toEqual([
    ['get', 2],
    ['put', 2],
    ['delete', 0],
  ])
  expect([store.name, store.size]).toEqual(['slow', 3])
})

test('a walk counts once, at its end, without the time of whoever walks', async () => {
  const { clock, store, told } = slowStore()

  const keys: string[] = []
  for await (const [key] of store.range()) {
    clock.advance(1_000)
    keys.push(key)
  }
  const scanned = store.scan().map(([key]) => key)
  expect(told).toEqual([['range', 20]])

  expect([keys, scanned.toArray()]).toEqual([
    ['a', 'b', 'c'],
    ['a', 'b', 'c'],
  ])
  expect(told).toEqual([
    ['range', 20],
    ['scan', 20],
  ])
})

test('a walk that is left ends in the store too, and counts with the steps that it took', async () => {
  const { store, told, open } = slowStore()

  for await (const _ of store.prefix('a')) break
  for (const _ of store.scanPrefix('a')) break

  expect(open()).toBe(0)
  expect(told).toEqual([
    ['prefix', 5],
    ['scanPrefix', 5],
  ])
})
