import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { merge } from '../../src/operators/merge.ts'
import type { Broker, ProducerRecord } from '../../src/runtime/broker.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'
import { logRecord, readAll } from '../support/log-records.ts'

function mergedTopology(name: (topic: string) => string) {
  const builder = new TopologyBuilder()
  const left = builder.stream('left', kafka({ topic: name('left'), key: string, value: string }))
  left
    .process(merge('both', builder.stream('right', kafka({ topic: name('right'), key: string, value: string }))))
    .to('out', kafkaTopic({ topic: name('out'), key: string, value: string }))
  return builder.build()
}

async function inTransaction(broker: Broker, end: 'commit' | 'abort', record: ProducerRecord): Promise<void> {
  const producer = await broker.producer({ transactionalId: randomUUID() })
  const transaction = await producer.begin()
  await transaction.send([record])
  await transaction[end]()
  await producer.close()
}

test.skipIf(kafkaBrokers.length === 0)(
  'of two topics on Kafka one that ends in transactions, aborted ones too, does not hold back the other',
  async () => {
    const target = await kafkaTarget()
    const { broker } = target
    const prefix = `behind-${randomUUID().slice(0, 8)}`
    const name = (topic: string) => `${prefix}-${topic}`
    const at = (topic: string) => ({ topic: name(topic), partition: 0 })
    await broker.createTopics(['left', 'right', 'out'].map((topic) => ({ topic: name(topic), partitions: 1 })))
    await inTransaction(broker, 'commit', logRecord(at('left'), 'k', 'first', 10))
    await inTransaction(broker, 'abort', logRecord(at('left'), 'k', 'never', 20))
    const producer = await broker.producer()
    await producer.send([logRecord(at('right'), 'k', 'third', 30), logRecord(at('right'), 'k', 'second', 5)])
    const settings = { application: prefix, commitIntervalMs: 100 }

    for (const expected of [['first', 'third', 'second'], ['fourth']]) {
      await using runtime = new StreamRuntime({
        ...settings,
        topology: mergedTopology(name),
        broker,
        stateInMemory: true,
      })
      await runtime.start()
      await runtime.drain()
      const values = (await readAll(broker, at('out'))).map(({ value }) => Buffer.from(value ?? []).toString())
      expect(values.slice(-expected.length)).toEqual(expected)
      // The next owner begins behind the markers of one topic, with a record of the other.
      await producer.send([logRecord(at('right'), 'k', 'fourth', 40)])
    }
    await producer.close()
    await target.dispose()
  },
)
