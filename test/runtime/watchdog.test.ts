import { describe, expect, test } from 'vitest'
import { StreamError } from '../../src/errors.ts'
import { noHeaders } from '../../src/record.ts'
import type { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { finishing, pass, plainTopologyTo, runningIn, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { inTopic, ScriptedGroup } from '../support/scripted-group.ts'

const deadlineMs = 10_000
const longMs = 5 * deadlineMs

/** Writes a record that no consumer ever fetches. */
async function writeUnfetched(group: ScriptedGroup): Promise<void> {
  const producer = await group.log.producer()
  const bytes = Buffer.from('unfetched')
  await producer.send([{ topic: inTopic, partition: 0, key: bytes, value: bytes, timestamp: 1, headers: noHeaders }])
  await producer.close()
}

async function watched(group: ScriptedGroup, sink = new RecordingSink()): Promise<StreamRuntime> {
  return runningIn(group, { topology: plainTopologyTo(sink), processingDeadlineMs: deadlineMs })
}

describe('an instance that gets nowhere', () => {
  test('because its consumer has stopped fetching fails within its deadline and a fifth', async () => {
    await using group = await ScriptedGroup.open()
    const instance = await watched(group)
    await writeUnfetched(group)

    await pass(group.clock, deadlineMs - 100, 1_000)
    const before = instance.state
    await pass(group.clock, deadlineMs, 1_000)

    expect([before, instance.state]).toEqual(['running', 'failed'])
    await expect(instance.finished).rejects.toThrow(
      'PROCESSING_STALLED: task 0_0 has got nowhere for 10000 ms, though it has records. Restart the instance',
    )
  })

  test('because a rebalance never ends fails as well', async () => {
    await using group = await ScriptedGroup.open()
    const instance = await watched(group)

    await finishing(group.clock, group.revoke())
    await pass(group.clock, 2 * deadlineMs, 1_000)

    expect(instance.state).toBe('failed')
    await expect(instance.finished).rejects.toThrow('PROCESSING_STALLED: the group has assigned nothing for 10000 ms')
  })
})

describe('an instance that has a reason to wait does not fail', () => {
  test('when there is nothing to do', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await watched(group)

    await pass(group.clock, longMs, 1_000)

    expect(instance.state).toBe('running')
  })

  test('when the index does not answer', async () => {
    const writing = Promise.withResolvers<void>()
    const sink = new RecordingSink({ write: () => writing.promise })
    await using group = await ScriptedGroup.open()
    await using instance = await watched(group, sink)
    await group.write(0, 'one', 'two')
    await until(group.clock, () => sink.written.length > 0)

    await pass(group.clock, longMs, 1_000)
    const meanwhile = instance.state
    writing.resolve()
    await until(group.clock, () => group.committed()?.offset === 2)

    expect(meanwhile).toBe('running')
  })

  test('when the broker does not answer, also when it comes back', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await watched(group)
    await writeUnfetched(group)
    const topics = group.broker.topics.bind(group.broker)
    group.broker.topics = () => Promise.reject(new StreamError('BROKER_UNREACHABLE', 'nobody is there'))

    await pass(group.clock, longMs, 1_000)
    group.broker.topics = topics
    await pass(group.clock, deadlineMs - 1_000, 1_000)

    expect(instance.state).toBe('running')
  })

  test('when it is paused', async () => {
    await using group = await ScriptedGroup.open()
    await using instance = await watched(group)
    instance.pause()
    await group.write(0, 'one')

    await pass(group.clock, longMs, 1_000)

    expect(instance.state).toBe('running')
  })
})
