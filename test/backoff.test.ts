import { expect, it } from 'vitest'
import { Backoff } from '../src/backoff.ts'
import { ManualClock } from '../src/clock.ts'
import { StreamError } from '../src/errors.ts'

const passing = new StreamError('INDEX_UNREACHABLE', 'no answer')

it('draws each pause from twice the range of the one before, up to 30 seconds', async () => {
  const delays: number[] = []
  const clock = new ManualClock()
  const instant = {
    now: () => 0,
    after(delayMs: number, action: () => void) {
      delays.push(delayMs)
      return clock.after(0, action)
    },
  }
  const backoff = new Backoff({ clock: instant, random: () => 0.5 })

  for (let attempt = 0; attempt < 12; attempt++) {
    const waited = backoff.wait(passing)
    clock.advance(0)
    await waited
  }

  expect(delays.slice(0, 4)).toEqual([50, 100, 200, 400])
  expect(delays.slice(-3)).toEqual([15_000, 15_000, 15_000])
})

it('starts again from the shortest pause after a success', async () => {
  const clock = new ManualClock()
  const backoff = new Backoff({ clock, random: () => 1 })
  for (let attempt = 0; attempt < 5; attempt++) {
    const waited = backoff.wait(passing)
    clock.advance(30_000)
    await waited
  }

  backoff.reset()
  const waited = backoff.wait(passing)
  clock.advance(100)

  await expect(waited).resolves.toBeUndefined()
})
