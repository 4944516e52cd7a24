import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { reduce } from '../../../src/operators/index.ts'
import { CacheBudget } from '../../../src/runtime/nodes/held-results.ts'
import { HeldSender } from '../../../src/runtime/nodes/held-sender.ts'
import type { InFlight } from '../../../src/runtime/nodes/in-flight.ts'
import { runningIn, topologyTo, until } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'

/** A task that holds so many results, each of which takes a millisecond to send. */
function holding(results: number) {
  const clock = new ManualClock()
  const cacheBudget = new CacheBudget(100)
  const told: string[] = []
  let left = results
  const sender = new HeldSender({
    clock,
    cacheBudget,
    wake: () => told.push('wake'),
    progress: { trackResult: () => ({}) as InFlight },
    graph: {
      release: () => told.push('release'),
      flush: () => told.push('flush'),
      sendHeld: (_, mayGoOn) => {
        while (left > 0) {
          left--
          clock.advance(1)
          if (!mayGoOn()) return left === 0
        }
        return true
      },
    },
  })
  return { sender, cacheBudget, told, left: () => left }
}

describe('what goes out before a cut', () => {
  test('goes in slices, and there is no cut before the end', () => {
    const { sender, told, left } = holding(40)

    const first = sender.beforeCut(false)
    const between = [sender.isSending, left(), told.includes('wake')]
    const rest = [sender.send(0), sender.send(0)]

    expect([first, ...between]).toEqual([false, true, 24, true])
    expect([...rest, sender.isSending, left()]).toEqual([false, true, false, 0])
    expect(sender.beforeCut(false)).toBe(true)
  })

  test('goes at once where a task has to come to an end, and through gates and writers', () => {
    const { sender, told, left } = holding(40)

    expect([sender.beforeCut(true), left(), told]).toEqual([true, 0, ['release', 'flush']])
  })
})

test('the budget is over when more is held than may be, by whatever task', () => {
  const { sender, cacheBudget } = holding(3)
  cacheBudget.add(100)
  const within = sender.isOverBudget
  cacheBudget.add(1)

  expect([within, sender.isOverBudget]).toEqual([false, true])
})

/** Time passes with every look at it. */
class MovingClock extends ManualClock {
  #looks = 0

  override now(): number {
    this.#looks++
    return super.now() + Math.floor(this.#looks / 4)
  }
}

test('an instance that sends in slices sends everything once, and commits it', async () => {
  const count = 400
  const sink = new RecordingSink()
  const joined = reduce<string, string>('joined', (a, b) => `${a} ${b}`, { caching: true })
  await using group = await ScriptedGroup.open({ clock: new MovingClock() })
  const topology = topologyTo(sink, (stream) => stream.process(joined))
  await using _ = await runningIn(group, { topology, maxInFlightRecords: 50 })
  const records = Array.from({ length: count }, (__, at) => ({ key: `k${at}`, value: `v${at}` }))

  await group.write(0, ...records)
  await until(group.clock, () => group.committed()?.offset === count)

  expect(sink.written).toEqual(records.map(({ value }) => `0_0 ${value}`))
})
