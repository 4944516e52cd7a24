import { describe, expect, test } from 'vitest'
import { dedupe } from '../../src/operators/dedupe.ts'
import { encodeMark } from '../../src/runtime/commit/recovery-mark.ts'
import { finishing, instanceIn, pass, plainTopologyTo, runningIn, topologyTo, until } from '../support/instance.ts'
import { overlaid } from '../support/overlaid.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

const hourMs = 3_600_000

/** What an instance has time for, however far the wall clock was set. */
const soonMs = 2_000

describe.each([
  ['backwards', -hourMs],
  ['forwards', hourMs],
])('a wall clock that is set %s by an hour', (_, byMs) => {
  test('does not put off a commit', async () => {
    await using group = await ScriptedGroup.open()
    group.clock.advance(10 * hourMs)
    const sink = new RecordingSink()
    await using _instance = await runningIn(group, { topology: plainTopologyTo(sink), commitIntervalMs: 1_000 })
    await group.write(0, 'one')
    await until(group.clock, () => sink.written.length > 0)

    group.clock.set(byMs)
    await group.write(0, 'two')
    await pass(group.clock, soonMs)

    expect(group.committed()).toMatchObject({ offset: 2 })
  })

  test('does not stop a punctuator, and fires it once', async () => {
    let ticks = 0
    await using group = await ScriptedGroup.open()
    group.clock.advance(10 * hourMs)
    const topology = topologyTo(new RecordingSink(), (stream) =>
      stream.process<string, string>({
        name: 'ticks',
        operator: 'test',
        create: () => ({
          init: (context) => void context.schedule(1_000, 'wall-clock', () => void ticks++),
          process: () => undefined,
        }),
      }),
    )
    await using _instance = await runningIn(group, { topology })

    group.clock.set(byMs)
    await pass(group.clock, 100)
    const atOnce = ticks
    await pass(group.clock, soonMs)

    expect(atOnce).toBeLessThanOrEqual(1)
    expect(ticks - atOnce).toBeGreaterThanOrEqual(1)
    expect(ticks - atOnce).toBeLessThanOrEqual(2)
  })

  test('does not keep a recovery window open', async () => {
    await using group = await ScriptedGroup.open({ committed: { offset: 0, metadata: encodeMark('open') } })
    group.clock.advance(10 * hourMs)
    await using instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()) })
    await group.write(0, 'one')

    group.clock.set(byMs)
    await pass(group.clock, soonMs)

    expect(instance.tasks.map((task) => task.recovering)).toEqual([false])
  })

  test('does not hold up a close, nor a revocation', async () => {
    await using group = await ScriptedGroup.open()
    group.clock.advance(10 * hourMs)
    const sink = new RecordingSink()
    const instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    await group.write(0, 'one')
    await until(group.clock, () => sink.written.length > 0)

    group.clock.set(byMs)
    await finishing(group.clock, group.revoke())
    await finishing(group.clock, instance.close())

    expect(group.committed()).toMatchObject({ offset: 1, metadata: encodeMark('clean', undefined, 1) })
  })
})

test('a wall clock that is set back while a task is restored does not make the wait for the lease longer', async () => {
  const sink = new RecordingSink({ requestTimeoutMs: 5_000 })
  await using group = await ScriptedGroup.open({ committed: { offset: 0, metadata: encodeMark('open') } })
  group.clock.advance(10 * hourMs)
  await group.write(0, 'one')
  let jumps = 0
  const jumpOnce = (topics: readonly string[]) => {
    if (!topics.includes('app-seen-changelog') || jumps > 0) return
    jumps++
    group.clock.set(-hourMs)
  }
  const { offsets, read } = group.log
  const broker = overlaid(group.broker, {
    offsets: (partitions) => {
      jumpOnce(partitions.map(({ topic }) => topic))
      return offsets.call(group.log, partitions)
    },
    read: (partition, from, signal) => {
      jumpOnce([partition.topic])
      return read.call(group.log, partition, from, signal)
    },
  })
  const topology = topologyTo(sink, (stream) => stream.process(dedupe('seen')))
  await using instance = instanceIn(group, { topology, broker })
  await instance.start()

  await pass(group.clock, 7_000)

  expect(jumps).toBe(1)
  expect(sink.written).toEqual(['0_0 one'])
})
