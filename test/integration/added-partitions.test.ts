import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { KafkaClientFactory, retries } from '../../src/connectors/kafka/client.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { numbered, text } from '../contracts/broker/harness.ts'
import { startOnKafka } from '../support/kafka-instance.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { RecordingSink } from '../support/recording-sink.ts'

const before = 2
const after = 4

async function addPartitions(topic: string): Promise<void> {
  const admin = new KafkaClientFactory({ brokers: kafkaBrokers }).kafka(retries.request).admin()
  await admin.connect()
  await admin.createPartitions({ topicPartitions: [{ topic, count: after }] })
  await admin.disconnect()
}

/** Two instances that read a topic, and look at its partitions every second. */
async function twoInstances(topologyOf: (topic: string, sink: RecordingSink) => Topology) {
  const topic = `growing-${randomUUID().slice(0, 8)}`
  const sink = new RecordingSink()
  const start = () => startOnKafka(topologyOf(topic, sink), { topic, partitions: before }, { metadataMaxAgeMs: 1_000 })
  const instances = [await start(), await start()]
  const runtimes = instances.map(({ runtime }) => runtime)
  const write = async (partitions: number) => {
    const producer = await instances[0]?.broker.producer()
    const records = Array.from({ length: partitions }, (_, partition) =>
      numbered(20, `of ${partition}`).map((value) => ({ ...text({ topic, partition }, value), timestamp: Date.now() })),
    )
    await producer?.send(records.flat())
    await producer?.close()
  }
  const close = async () => {
    await Promise.all(instances.map((instance) => instance.close()))
  }
  return { topic, sink, runtimes, write, [Symbol.asyncDispose]: close }
}

const eventually = (assertion: () => void) => vi.waitFor(assertion, { timeout: 60_000, interval: 50 })

describe.skipIf(kafkaBrokers.length === 0)('partitions that are added to a topic while two instances read it', () => {
  const source = (topic: string) => kafka({ topic, key: string, value: string })

  test('are shared among them where nothing is remembered, and no record is missed', async () => {
    await using group = await twoInstances((topic, sink) => {
      const builder = new TopologyBuilder()
      builder.stream('in', source(topic)).to('out', sink)
      return builder.build()
    })
    const { topic, sink, runtimes, write } = group
    await eventually(() => expect(runtimes.map(({ state }) => state)).toEqual(['running', 'running']))
    await write(before)

    await addPartitions(topic)
    await write(after)

    await eventually(() => expect(runtimes.map(({ tasks }) => tasks.length)).toEqual([2, 2]))
    await eventually(() => {
      const seen = new Set(sink.written.map((line) => line.slice('0_0 '.length)))
      expect(seen.size).toBe(after * 20)
    })
  }, 90_000)

  test('end them with one error that says what to do where there is state', async () => {
    await using group = await twoInstances((topic, sink) => {
      const builder = new TopologyBuilder()
      builder.stream('in', source(topic)).process(dedupe('seen')).to('out', sink)
      return builder.build()
    })
    const { topic, runtimes, write } = group
    await eventually(() => expect(runtimes.map(({ state }) => state)).toEqual(['running', 'running']))
    await write(before)

    await addPartitions(topic)

    for (const runtime of runtimes)
      await expect(runtime.finished).rejects.toThrow(
        new RegExp(`TOPIC_MISMATCH: partition [23] was added to "${topic}", whose state was made for 2 partitions`),
      )
  }, 90_000)
})
