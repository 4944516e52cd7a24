import { expect, test } from 'vitest'
import { ManualClock } from '../src/clock.ts'

test('a manual clock that is set fires nothing, and alarms keep their distance', () => {
  const clock = new ManualClock(10_000)
  const fired: number[] = []
  clock.after(100, () => fired.push(clock.now()))

  clock.set(-5_000)
  clock.advance(99)
  clock.set(60_000)
  const before = [...fired]
  clock.advance(1)

  expect(before).toEqual([])
  expect(fired).toEqual([65_100])
})
