import { expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count } from '../../../src/operators/index.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { writeAll } from '../../support/counting-instance.ts'
import { overlaid } from '../../support/overlaid.ts'

const changelog = 'app-counts-changelog'

/** Records for the changelog wait their turn until they are let go. */
function holdingChangelogs(broker: Broker) {
  const waiting = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const producer: Broker['producer'] = async (options) => {
    const inner = await broker.producer(options)
    return overlaid(inner, {
      send: async (records, guard) => {
        if (records.some(({ topic }) => topic === changelog)) {
          waiting.resolve()
          await released.promise
        }
        return inner.send(records, guard)
      },
    })
  }
  return { broker: overlaid(broker, { producer }), waiting: waiting.promise, release: released.resolve }
}

function counting(broker: Broker): StreamRuntime {
  const builder = new TopologyBuilder()
  builder.stream('in', kafka({ topic: 'in', key: string, value: string })).toTable(count('counts'))
  return new StreamRuntime({
    ...{ application: 'app', topology: builder.build(), broker, stateInMemory: true, commitIntervalMs: 10 },
  })
}

test.each([
  ['that still has it is written', false, 1],
  ['that was closed meanwhile is not: its successor may have written newer values', true, 0],
])('a changelog record that waited for its turn, of a task %s', async (_, isClosed, written) => {
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'in', partitions: 1 }])
  await writeAll(broker, [{ key: 'a' }])
  const held = holdingChangelogs(broker)
  const runtime = counting(held.broker)
  await runtime.start()
  await held.waiting

  const ended = isClosed ? runtime.kill() : runtime.drain()
  held.release()
  await ended

  expect(await broker.offsets([{ topic: changelog, partition: 0 }])).toMatchObject([{ latest: written }])
  await runtime.close()
})
