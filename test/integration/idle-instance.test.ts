import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { dedupe } from '../../src/operators/dedupe.ts'
import { numbered, text } from '../contracts/broker/harness.ts'
import { topologyTo } from '../support/instance.ts'
import { startOnKafka } from '../support/kafka-instance.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { settling } from '../support/settling.ts'

const closeWithinMs = 5_000

test.skipIf(kafkaBrokers.length === 0)(
  'more instances than partitions: who has none runs, has drained, closes quickly, and takes over when the owner leaves',
  async () => {
    const topic = `idle-${randomUUID().slice(0, 8)}`
    const sink = new RecordingSink()
    const topology = topologyTo(sink, (stream) => stream.process(dedupe('seen')), topic)
    const start = () => startOnKafka(topology, { topic, partitions: 1 })
    const instances = [await start(), await start(), await start()]
    const count = () => instances.map(({ runtime }) => runtime.tasks.length).sort()
    await settling(() => {
      expect(instances.map(({ runtime }) => runtime.state)).toEqual(['running', 'running', 'running'])
      expect(count()).toEqual([0, 0, 1])
    })
    const owner = instances.find(({ runtime }) => runtime.tasks.length > 0)
    const [idle, heir] = instances.filter((instance) => instance !== owner)
    const write = async (word: string) => {
      const producer = await heir?.broker.producer()
      const values = numbered(10, word)
      await producer?.send(values.map((value) => ({ ...text({ topic, partition: 0 }, value), timestamp: Date.now() })))
      await producer?.close()
    }

    await write('first')
    await Promise.all(instances.map(({ runtime }) => runtime.drain()))
    const closing = Date.now()
    await idle?.close()
    const closedAfterMs = Date.now() - closing
    await owner?.close()
    await write('second')
    await settling(() => expect(heir?.runtime.tasks).toHaveLength(1))
    await heir?.runtime.drain()
    await heir?.close()

    expect(closedAfterMs).toBeLessThan(closeWithinMs)
    expect(sink.written).toEqual([...numbered(10, 'first'), ...numbered(10, 'second')].map((value) => `0_0 ${value}`))
  },
  60_000,
)
