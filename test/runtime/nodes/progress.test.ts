import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { Generation } from '../../../src/runtime/nodes/generation.ts'
import { Progress } from '../../../src/runtime/nodes/progress.ts'

function setUp(overrides: { maxOpenGenerations?: number; maxInFlightRecords?: number } = {}) {
  const clock = new ManualClock()
  const committed: number[] = []
  const failures: unknown[] = []
  let position = 0
  let commit = async (generation: Generation): Promise<void> => {
    committed.push(generation.id)
  }
  const progress = new Progress({
    clock,
    commitIntervalMs: 100,
    maxOpenGenerations: 4,
    maxInFlightRecords: 10,
    maxInFlightBytes: 1_000,
    ...overrides,
    positions: () => new Map([['topic-0', position]]),
    beforeCut: () => true,
    commit: (generation) => commit(generation),
    failed: (error) => failures.push(error),
    changed: () => undefined,
  })
  const take = (bytes = 1) => {
    position++
    return progress.track({ source: undefined, raw: undefined, bytes, recovering: false })
  }
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { progress, clock, committed, failures, take, settle, onCommit: (action: typeof commit) => (commit = action) }
}

describe('the progress of a task', () => {
  test('a generation is committed when the last of its records is done, not before', async () => {
    const { progress, committed, take, settle } = setUp()
    const [one, two] = [take(), take()]
    progress.cut()

    one.release()
    await settle()
    const early = [...committed]
    two.release()
    await settle()

    expect(early).toEqual([])
    expect(committed).toEqual([0])
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'a generation that is cut %i steps after the commit of the one before is committed at once',
    async (steps) => {
      const { progress, committed, take, settle, onCommit } = setUp()
      const later = (left: number): void => {
        if (left > 0) queueMicrotask(() => later(left - 1))
        else progress.cut()
      }
      onCommit(async ({ id }) => {
        committed.push(id)
        if (id === 0) later(steps)
      })
      take().release()
      progress.cut()
      take().release()
      await settle()

      expect(committed).toEqual([0, 1])
    },
  )

  test('generations commit in order, though a younger one is complete first', async () => {
    const { progress, committed, take, settle } = setUp()
    const slow = take()
    progress.cut()
    const fast = take()
    progress.cut()

    fast.release()
    await settle()
    const early = [...committed]
    slow.release()
    await settle()

    expect(early).toEqual([])
    expect(committed).toEqual([0, 1])
  })

  test('at the bound on open generations there is no cut, and nothing is committed early', () => {
    const { progress, committed, take } = setUp({ maxOpenGenerations: 3 })
    take()
    progress.cut()
    take()
    progress.cut()
    take()

    expect(progress.cut()).toBe(false)
    expect(committed).toEqual([])
  })

  test('at the bound on records in flight there is no room until one is done', () => {
    const { progress, take } = setUp({ maxInFlightRecords: 1 })
    const record = take()
    const roomBefore = progress.hasRoom

    record.release()

    expect([roomBefore, progress.hasRoom]).toEqual([false, true])
  })

  test('a record too many bytes large is taken alone', () => {
    const { progress, take } = setUp()

    take(5_000)

    expect(progress.hasRoom).toBe(false)
  })

  test('draining waits for the records in flight, cuts and commits', async () => {
    const { progress, committed, take } = setUp()
    const record = take()
    const draining = progress.drain(new AbortController().signal)

    record.release()

    expect(await draining).toBe(true)
    expect(committed).toEqual([0])
    expect(progress.settled).toBe(true)
  })

  test('draining gives up when its deadline passes, and commits nothing that is not complete', async () => {
    const { progress, committed, take } = setUp()
    take()
    const controller = new AbortController()
    const draining = progress.drain(controller.signal)

    controller.abort()

    expect(await draining).toBe(false)
    expect(committed).toEqual([])
  })

  test('after a failed commit no later generation is committed', async () => {
    const { progress, failures, committed, take, settle, onCommit } = setUp()
    onCommit(async () => {
      throw new Error('the disk is gone')
    })
    take().release()
    progress.cut()
    await settle()
    onCommit(async (generation) => void committed.push(generation.id))
    take().release()
    progress.cut()
    await settle()

    expect(failures).toHaveLength(1)
    expect(committed).toEqual([])
  })

  test('one commit runs at a time', async () => {
    const { progress, take, settle, onCommit } = setUp()
    let running = 0
    let most = 0
    onCommit(async () => {
      most = Math.max(most, ++running)
      await settle()
      running--
    })

    for (let index = 0; index < 3; index++) {
      take().release()
      progress.cut()
    }
    await progress.drain(new AbortController().signal)

    expect(most).toBe(1)
  })
})
