import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Punctuation } from '../../../src/runtime/nodes/punctuation.ts'
import type { RunningProcessor } from '../../../src/runtime/nodes/running-nodes.ts'

const node = {} as RunningProcessor
const punctuate = () => undefined
const times = (due: Iterable<{ timeMs: number }>) => [...due].map((one) => one.timeMs)

test('the stream-time grid starts at 0, so the first record is due at once', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('stream-time', { node, everyMs: 100, punctuate }, 0)

  expect(times(punctuation.dueByStreamTime(250))).toEqual([250])
})

test('the grid stays anchored and missed ticks are skipped', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('stream-time', { node, everyMs: 100, punctuate }, 0)
  times(punctuation.dueByStreamTime(250))

  const fired = [299, 300, 399, 710, 799, 800].flatMap((time) => times(punctuation.dueByStreamTime(time)))

  expect(fired).toEqual([300, 710, 800])
})

test('the wall clock starts one interval after the call', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('wall-clock', { node, everyMs: 100, punctuate }, 1_000)

  expect(punctuation.nextWallClock).toBe(1_100)
  expect(times(punctuation.dueByWallClock(1_099))).toEqual([])
  expect(times(punctuation.dueByWallClock(1_100))).toEqual([1_100])
})

test('a cancelled schedule fires no more', () => {
  const punctuation = new Punctuation()
  const cancel = punctuation.schedule('wall-clock', { node, everyMs: 100, punctuate }, 0)

  cancel()

  expect(times(punctuation.dueByWallClock(1_000))).toEqual([])
  expect(punctuation.nextWallClock).toBeUndefined()
})

test('a start moves the grid: nothing fires before it', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('stream-time', { node, everyMs: 200, punctuate, startMs: 350 }, 0)
  punctuation.schedule('wall-clock', { node, everyMs: 200, punctuate, startMs: 1_350 }, 1_000)

  const byStreamTime = [349, 350, 500, 549, 550].flatMap((time) => times(punctuation.dueByStreamTime(time)))
  const byWallClock = [1_200, 1_349, 1_351, 1_549, 1_551].flatMap((time) => times(punctuation.dueByWallClock(time)))

  expect(byStreamTime).toEqual([350, 550])
  expect(byWallClock).toEqual([1_351, 1_551])
})

test('a start that the wall clock has passed waits for the next point of its grid', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('wall-clock', { node, everyMs: 300, punctuate, startMs: 700 }, 1_500)

  expect(punctuation.nextWallClock).toBe(1_600)
})

test('a grid with a start keeps its points when the clock is turned back', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('wall-clock', { node, everyMs: 300, punctuate, startMs: 700 }, 1_500)

  expect(times(punctuation.dueByWallClock(900))).toEqual([])

  expect(punctuation.nextWallClock).toBe(1_000)
})

test('of several that are due, the one that waits longest comes first', () => {
  const punctuation = new Punctuation()
  const names: string[] = []
  const naming = (name: string) => ({ node, everyMs: 100, punctuate: () => void names.push(name) })
  punctuation.schedule('stream-time', { ...naming('later'), startMs: 90 }, 0)
  punctuation.schedule('stream-time', { ...naming('sooner'), startMs: 40 }, 0)

  for (const due of punctuation.dueByStreamTime(95)) due.punctuate(due.timeMs)

  expect(names).toEqual(['sooner', 'later'])
})

test('a punctuator that another one cancels does not fire, and one that another schedules waits for the next check', () => {
  const punctuation = new Punctuation()
  const fired: string[] = []
  const request = (name: string, action = () => {}) => ({
    node,
    everyMs: 100,
    punctuate: () => {
      fired.push(name)
      action()
    },
  })
  const run = (time: number) => {
    for (const due of punctuation.dueByStreamTime(time)) due.punctuate(due.timeMs)
  }
  const added = () => punctuation.schedule('stream-time', request('added'), 0)
  const cancels: (() => void)[] = []
  punctuation.schedule(
    'stream-time',
    request('first', () => {
      for (const cancel of cancels.splice(0)) cancel()
      if (fired.length === 1) added()
    }),
    0,
  )
  cancels.push(punctuation.schedule('stream-time', request('cancelled'), 0))

  run(10)
  expect(fired).toEqual(['first'])

  run(20)
  expect(fired).toEqual(['first', 'added'])
})

test('whatever times it is told: it fires when a point of its grid lies since the last look, once', () => {
  const options = fc.record({ everyMs: fc.integer({ min: 1, max: 50 }), startMs: fc.nat(200), at: fc.nat(200) })
  fc.assert(
    fc.property(options, fc.array(fc.nat(60), { maxLength: 20 }), ({ everyMs, startMs, at }, steps) => {
      const punctuation = new Punctuation()
      punctuation.schedule('stream-time', { node, everyMs, punctuate, startMs }, at)
      punctuation.schedule('wall-clock', { node, everyMs, punctuate, startMs }, at)
      let before = at
      // By stream time what lies before the call counts as well.
      let sinceStart = -1
      for (const step of steps) {
        const now = before + step
        expect(times(punctuation.dueByStreamTime(now))).toEqual(
          hasPoint(sinceStart, now, startMs, everyMs) ? [now] : [],
        )
        expect(times(punctuation.dueByWallClock(now))).toEqual(hasPoint(before, now, startMs, everyMs) ? [now] : [])
        before = now
        sinceStart = now
      }
    }),
  )
})

/** A point of the grid lies behind `after`, and not behind `until`. */
function hasPoint(after: number, until: number, startMs: number, everyMs: number): boolean {
  for (let point = startMs; point <= until; point += everyMs) if (point > after) return true
  return false
}
