import { describe, expect, test } from 'vitest'
import { StreamError } from '../../../src/errors.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import type { ProcessorSupplier } from '../../../src/topology/processor.ts'
import {
  finishing,
  instanceIn,
  pass,
  plainTopologyTo,
  runningIn,
  settled,
  topologyTo,
  until,
} from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** The coordinator cannot take the next `count` commits. */
function failCommits(group: ScriptedGroup, count: number): { readonly left: number } {
  const failures = { left: count }
  group.onCommit = () => {
    if (failures.left === 0) return
    failures.left--
    throw new StreamError('COMMIT_FAILED', 'the coordinator is moving')
  }
  return failures
}

describe('an instance that has lost its partitions', () => {
  test('writes and commits nothing more, although one of its tasks takes long to close', async () => {
    const closing = Promise.withResolvers<void>()
    const writing = Promise.withResolvers<void>()
    const sink = new RecordingSink({
      write: () => writing.promise,
      closeWriter: (task) => (task === '0_0' ? closing.promise : Promise.resolve()),
    })
    await using group = await ScriptedGroup.open({ partitions: 2 })
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink), maxInFlightRecords: 1 })
    await group.write(1, 'one', 'two', 'three')
    await until(group.clock, () => sink.written.length > 0)
    const commitsBefore = group.commits.length

    const losing = group.lose()
    writing.resolve()
    await pass(group.clock, 1_000)

    expect(sink.closing).toContain('0_0')
    expect(sink.written).toEqual(['0_1 one'])
    expect(group.commits).toHaveLength(commitsBefore)
    closing.resolve()
    await finishing(group.clock, losing)
    expect(instance.tasks).toEqual([])
  })

  test('has not drained before it has its tasks back and their records are committed', async () => {
    const writing = Promise.withResolvers<void>()
    const sink = new RecordingSink({ write: () => writing.promise })
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    await group.write(0, 'one')
    await until(group.clock, () => sink.written.length > 0)
    let isDrained = false

    const draining = instance.drain().then(() => (isDrained = true))
    await group.lose()
    await pass(group.clock, 1_000)
    const wasDrainedWithoutTasks = isDrained
    writing.resolve()
    await group.assign(0)
    await finishing(group.clock, draining)

    expect(wasDrainedWithoutTasks).toBe(false)
    expect(group.committed()).toMatchObject({ offset: 1 })
  })
})

describe('a task that misses the deadline of a revocation', () => {
  test('writes nothing more, and its signal says so', async () => {
    const working = Promise.withResolvers<void>()
    const signals: AbortSignal[] = []
    const slow: ProcessorSupplier<string, string, string, string> = {
      name: 'slow',
      operator: 'test',
      order: 'key',
      create: () => ({
        async process(record, context) {
          signals.push(context.signal)
          await working.promise
          context.forward(record)
        },
      }),
    }
    const sink = new RecordingSink()
    await using group = await ScriptedGroup.open()
    const topology = topologyTo(sink, (stream) => stream.process(slow))
    await using _instance = await runningIn(group, { topology })
    await group.write(0, { key: 'a', value: 'one' }, { key: 'a', value: 'two' })
    await until(group.clock, () => signals.length > 0)
    const commitsBefore = group.commits.length

    const revoking = group.revoke({ inMs: 5_000 })
    await finishing(group.clock, revoking)
    working.resolve()
    await pass(group.clock, 1_000)

    expect(signals.map((signal) => signal.aborted)).toEqual([true])
    expect(sink.written).toEqual([])
    expect(group.commits).toHaveLength(commitsBefore)
  })

  test('is made anew when the partition comes back, and does the work again', async () => {
    const first = Promise.withResolvers<void>()
    let attempts = 0
    const sink = new RecordingSink({ write: () => (attempts++ === 0 ? first.promise : Promise.resolve()) })
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    await group.write(0, 'one')
    await until(group.clock, () => attempts === 1)

    await finishing(group.clock, group.revoke({ inMs: 5_000 }))
    await finishing(group.clock, group.assign(0))
    await finishing(group.clock, instance.drain())

    expect(sink.written).toEqual(['0_0 one', '0_0 one'])
    expect(group.committed()).toMatchObject({ offset: 1 })
  })
})

describe('a rebalance', () => {
  test('loses nothing that a kept task is given before its open mark is committed', async () => {
    const sink = new RecordingSink()
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    await group.write(0, 'one')
    await finishing(group.clock, instance.drain())
    await finishing(group.clock, group.revoke())
    const committing = Promise.withResolvers<void>()
    group.onCommit = () => committing.promise

    await group.assign(0)
    await group.write(0, 'two')
    committing.resolve()
    await finishing(group.clock, instance.drain())
    await group.write(0, 'three')
    await finishing(group.clock, instance.drain())

    expect(sink.written).toEqual(['0_0 one', '0_0 two', '0_0 three'])
    expect(group.committed()).toMatchObject({ offset: 3 })
  })

  test('does not fail an instance whose restore ends after its partitions were taken away', async () => {
    await using before = await ScriptedGroup.open()
    const topology = topologyTo(new RecordingSink(), (stream) => stream.process(dedupe('known')))
    const predecessor = await runningIn(before, { topology })
    await before.write(0, 'one')
    await finishing(before.clock, predecessor.close())
    const reading = Promise.withResolvers<void>()
    const { clock, log } = before
    const group = await ScriptedGroup.open({
      clock,
      log,
      overlay: {
        async *read(...args) {
          await reading.promise
          yield* log.read(...args)
        },
      },
    })
    await using instance = instanceIn(group, { topology })
    await instance.start()

    await finishing(clock, group.revoke())
    reading.resolve()
    await pass(clock, 1_000)
    const stateBetween = instance.state
    await finishing(clock, group.assign(0))
    await until(clock, () => instance.state !== stateBetween)

    expect([stateBetween, instance.state]).toEqual(['rebalancing', 'running'])
  })

  test('tries again to say that new tasks are at work', async () => {
    await using group = await ScriptedGroup.open()
    const failures = failCommits(group, 2)

    await using instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()) })

    expect(failures.left).toBe(0)
    expect(instance.state).toBe('running')
    expect(group.committed()?.metadata).toBe('millrace/1 open')
  })

  test('tries again to say that kept tasks are at work', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()) })
    await finishing(group.clock, group.revoke())
    const [kept] = instance.tasks
    const failures = failCommits(group, 2)

    await finishing(group.clock, group.assign(0))
    await until(group.clock, () => instance.state === 'running' || instance.state === 'failed')

    expect(failures.left).toBe(0)
    expect(instance.state).toBe('running')
    expect(instance.tasks).toEqual([kept])
  })

  test('tries again to leave its marks', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()) })
    const failures = failCommits(group, 2)

    await finishing(group.clock, group.revoke())

    expect(failures.left).toBe(0)
    expect(instance.state).toBe('rebalancing')
    expect(group.committed()?.metadata).toBe('millrace/1 clean')
  })

  test('ends in time although its marks cannot be written at all', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()) })
    failCommits(group, Number.POSITIVE_INFINITY)
    const startedAt = group.clock.now()

    await finishing(group.clock, group.revoke({ inMs: 10_000 }))

    expect(group.clock.now() - startedAt).toBeLessThanOrEqual(10_000)
    expect(instance.state).toBe('rebalancing')
    group.onCommit = () => undefined
  })
})

describe('a task that the group has fenced', () => {
  test('is dropped, and nobody takes its folder before it is closed', async () => {
    await using folder = await temporaryDirectory()
    const closing = Promise.withResolvers<void>()
    const sink = new RecordingSink({ closeWriter: () => closing.promise })
    await using group = await ScriptedGroup.open()
    const topology = topologyTo(sink, (stream) => stream.process(dedupe('known')))
    await using instance = await runningIn(group, { topology, stateDirectory: folder.path })
    group.onCommit = () => {
      throw new StreamError('MEMBER_FENCED', 'the group has moved on')
    }
    await group.write(0, 'one')
    await until(group.clock, () => sink.closing.length > 0)
    const tasksAfterFence = instance.tasks.length
    group.onCommit = () => undefined
    let isBack = false

    const returning = group
      .lose()
      .then(() => group.assign(0))
      .then(() => (isBack = true))
    await settled()
    const wasBackTooEarly = isBack
    closing.resolve()
    await finishing(group.clock, returning)
    await until(group.clock, () => instance.state === 'running' || instance.state === 'failed')

    expect(tasksAfterFence).toBe(0)
    expect(wasBackTooEarly).toBe(false)
    expect(instance.state).toBe('running')
  })
})
