import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { pass, plainTopologyTo, runningIn, settled, until } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'

/** Counts the timers that fall due at once: a loop that sets them does not sleep. */
class SleeplessnessClock extends ManualClock {
  timersDueAtOnce = 0

  override after(delayMs: number, action: () => void) {
    if (delayMs <= 0) this.timersDueAtOnce++
    return super.after(delayMs, action)
  }
}

describe('the loop of an instance', () => {
  test('sleeps while as many generations wait as may, until a commit makes room', async () => {
    const writing = Promise.withResolvers<void>()
    const sink = new RecordingSink({ write: () => writing.promise })
    const clock = new SleeplessnessClock()
    await using group = await ScriptedGroup.open({ clock })
    await using _instance = await runningIn(group, { topology: plainTopologyTo(sink), maxOpenGenerations: 2 })
    await group.write(0, 'one')
    await pass(clock, 1_000)
    await group.write(0, 'two')
    await pass(clock, 1_000)
    clock.timersDueAtOnce = 0

    for (let turn = 0; turn < 50; turn++) {
      clock.advance(0)
      await settled()
    }
    const timersWhileWaiting = clock.timersDueAtOnce
    writing.resolve()
    await until(clock, () => group.committed()?.offset === 2)

    expect(sink.written).toEqual(['0_0 one', '0_0 two'])
    expect(timersWhileWaiting).toBe(0)
  })
})
