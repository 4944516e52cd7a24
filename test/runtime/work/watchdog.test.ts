import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { merge } from '../../../src/operators/merge.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker, GroupListener } from '../../../src/runtime/broker.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { finishing, pass, plainTopologyTo, runningIn, until } from '../../support/instance.ts'
import { logRecord } from '../../support/log-records.ts'
import { overlaid } from '../../support/overlaid.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { inTopic, ScriptedGroup } from '../../support/scripted-group.ts'

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

  test('because one of two topics is not delivered names it', async () => {
    const clock = new ManualClock()
    await using log = embeddedBroker({ clock })
    await log.open()
    await log.createTopics(['left', 'right', 'out'].map((topic) => ({ topic, partitions: 1 })))
    const producer = await log.producer()
    await producer.send(['left', 'right'].map((topic) => logRecord({ topic, partition: 0 }, 'k', 'v')))
    await producer.close()
    const withoutRight = overlaid<Broker>(log, {
      join: (options, listener) =>
        log.join(
          options,
          overlaid<GroupListener>(listener, {
            records: (partition, batch) => partition.topic === 'left' && listener.records(partition, batch),
          }),
        ),
    })
    const topology = mergedTopology()
    const settings = { application: 'app', processingDeadlineMs: deadlineMs, stateInMemory: true }
    const instance = new StreamRuntime({ ...settings, topology, broker: withoutRight, clock })
    await instance.start()

    await pass(clock, 2 * deadlineMs, 1_000)

    await expect(instance.finished).rejects.toThrow(
      'PROCESSING_STALLED: task 0_0 has got nowhere for 10000 ms: its records wait for those of right-0, which are not delivered.',
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

function mergedTopology(): Topology {
  const builder = new TopologyBuilder()
  const streamOf = (topic: string) => builder.stream(topic, kafka({ topic, key: string, value: string }))
  const both = streamOf('left').process(merge('both', streamOf('right')))
  both.to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
  return builder.build()
}
