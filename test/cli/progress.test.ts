import { afterEach, describe, expect, test, vi } from 'vitest'
import { ProgressDisplay } from '../../src/cli/progress.ts'
import { ManualClock } from '../../src/clock.ts'

describe('progress that nobody sees on a terminal', () => {
  afterEach(() => vi.restoreAllMocks())

  test('is a line when something has changed, at most one a second', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const clock = new ManualClock()
    let done = 0
    const progress = new ProgressDisplay(clock, () => ({ label: 'indexing', done }))

    clock.advance(10_000)
    for (; done < 20; done++) clock.advance(100)
    clock.advance(60_000)
    progress.stop()

    const lines = write.mock.calls.map(([line]) => JSON.parse(String(line)).progress.done)
    expect(lines).toEqual([0, 9, 19, 20])
  })
})
