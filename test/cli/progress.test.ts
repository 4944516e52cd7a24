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

describe('progress on a terminal', () => {
  const { isTTY } = process.stderr
  afterEach(() => {
    process.stderr.isTTY = isTTY
    vi.restoreAllMocks()
  })

  test('is a bar that is drawn again only when it has changed, and not before there is something to do', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    process.stderr.isTTY = true
    const clock = new ManualClock()
    let total = 0
    const progress = new ProgressDisplay(clock, () => ({ label: 'indexing', done: 0, total }))

    clock.advance(10_000)
    total = 3
    clock.advance(10_000)
    progress.stop()

    const cleared = '\r\u001b[K'
    expect(write.mock.calls.map(([text]) => text)).toEqual([
      `${cleared}indexing  [------------------------]  0/3`,
      cleared,
    ])
  })
})
