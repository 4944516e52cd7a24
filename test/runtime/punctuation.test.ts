import { expect, test } from 'vitest'
import { Punctuation } from '../../src/runtime/punctuation.ts'
import type { RunningProcessor } from '../../src/runtime/running-nodes.ts'

const node = {} as RunningProcessor
const punctuate = () => undefined
const times = (due: readonly { timeMs: number }[]) => due.map((one) => one.timeMs)

test('the stream-time grid starts at 0, so the first record is due at once', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('stream-time', { node, everyMs: 100, punctuate }, 0)

  expect(times(punctuation.dueByStreamTime(250))).toEqual([250])
})

test('the grid stays anchored and missed ticks are skipped', () => {
  const punctuation = new Punctuation()
  punctuation.schedule('stream-time', { node, everyMs: 100, punctuate }, 0)
  punctuation.dueByStreamTime(250)

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

  expect(punctuation.dueByWallClock(1_000)).toEqual([])
  expect(punctuation.nextWallClock).toBeUndefined()
})
