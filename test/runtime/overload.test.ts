import { describe, expect, test } from 'vitest'
import { delay } from '../../src/clock.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { plainTopologyTo, runningIn, topologyTo, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

const many = Array.from({ length: 2_000 }, (_, index) => ({ key: `${index}`, value: `busy ${index}` }))

describe('a sink that is slower than the input', () => {
  test('holds up one busy partition without the others waiting for it', async () => {
    await using group = await ScriptedGroup.open({ partitions: 2 })
    const sink = new RecordingSink({ write: () => delay(group.clock, 10) })
    await using _instance = await runningIn(group, { topology: plainTopologyTo(sink), maxInFlightRecords: 10 })
    await group.write(0, ...many)
    await until(group.clock, () => sink.written.length >= 10)

    await group.write(1, 'other')
    await until(group.clock, () => sink.written.includes('0_1 other'))

    expect(sink.written.indexOf('0_1 other')).toBeLessThan(50)
  })

  test('is given no more than the bounds at a time, and everything in the end', async () => {
    await using group = await ScriptedGroup.open()
    let underWay = 0
    let most = 0
    const sink = new RecordingSink({
      write: async () => {
        most = Math.max(most, ++underWay)
        await delay(group.clock, 5)
        underWay--
      },
    })
    const topology = topologyTo(sink, (stream) => stream.process(dedupe('seen')))
    await using instance = await runningIn(group, { topology, maxInFlightRecords: 100 })

    await group.write(0, ...many)
    await until(group.clock, () => group.committed()?.offset === many.length)

    expect(most).toBe(100)
    expect(sink.written).toHaveLength(many.length)
    expect(instance.tasks[0]?.view).toMatchObject({ queuedBytes: 0, inFlight: 0 })
  })
})
