import { describe, expect, test } from 'vitest'
import { finishing, pass, plainTopologyTo, runningIn, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

describe('a paused instance', () => {
  test('takes nothing further, but commits what it has taken', async () => {
    const writing = Promise.withResolvers<void>()
    const sink = new RecordingSink({ write: () => writing.promise })
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    await group.write(0, 'taken')
    await until(group.clock, () => sink.written.length > 0)

    instance.pause()
    await group.write(0, 'later')
    writing.resolve()
    await pass(group.clock, 1_000)

    expect([instance.state, instance.paused]).toEqual(['running', true])
    expect(sink.written).toEqual(['0_0 taken'])
    expect(group.committed()).toMatchObject({ offset: 1 })
  })

  test('goes on where it was when it is resumed', async () => {
    const sink = new RecordingSink()
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    instance.pause()
    instance.pause()
    await group.write(0, 'one', 'two')
    await pass(group.clock, 1_000)
    const meanwhile = [...sink.written]

    instance.resume()
    await until(group.clock, () => group.committed()?.offset === 2)

    expect(meanwhile).toEqual([])
    expect(sink.written).toEqual(['0_0 one', '0_0 two'])
  })

  test('stays paused over a rebalance, hands over cleanly, and may take other partitions', async () => {
    const sink = new RecordingSink()
    await using group = await ScriptedGroup.open({ partitions: 2 })
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    instance.pause()
    await group.write(0, 'one')

    await finishing(group.clock, group.revoke())
    const left = group.committed(0)
    await group.assign(0, 1)
    await group.write(1, 'two')
    await pass(group.clock, 1_000)
    const meanwhile = [...sink.written]
    instance.resume()
    await until(group.clock, () => sink.written.length === 2)

    expect(left).toMatchObject({ offset: 0, metadata: 'millrace/1 clean' })
    expect(meanwhile).toEqual([])
    expect(sink.written.toSorted()).toEqual(['0_0 one', '0_1 two'])
  })

  test('drains when it is resumed, and closes while it is paused', async () => {
    const sink = new RecordingSink()
    await using group = await ScriptedGroup.open()
    const instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    instance.pause()
    await group.write(0, 'one')
    let isDrained = false

    const draining = instance.drain().then(() => {
      isDrained = true
    })
    await pass(group.clock, 2_000)
    const meanwhile = isDrained
    instance.resume()
    await finishing(group.clock, draining)
    instance.pause()
    await finishing(group.clock, instance.close())

    expect(meanwhile).toBe(false)
    expect(group.committed()).toMatchObject({ offset: 1, metadata: 'millrace/1 clean @1' })
  })
})

test('an instance without a partition is healthy: it runs, has drained, and closes at once', async () => {
  await using group = await ScriptedGroup.open()
  const instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()) })

  await finishing(group.clock, group.revoke())
  await group.assign()
  await until(group.clock, () => instance.state === 'running')
  await finishing(group.clock, instance.drain())
  const tasks = instance.tasks
  await pass(group.clock, 700_000, 10_000)
  const later = instance.state
  const closing = group.clock.now()
  await finishing(group.clock, instance.close())

  expect(tasks).toEqual([])
  expect(later).toBe('running')
  expect(group.clock.now() - closing).toBeLessThan(1_000)
})
