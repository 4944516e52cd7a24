/** The windowed count, as WindowedCount.java has it. Arguments: broker, folder for states, window and commit interval in milliseconds. */
import { join } from 'node:path'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { count, peek, tumbling } from '../../src/operators/index.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { timeWindowed } from '../../src/windowed.ts'
import { answerRounds, type Round, Stopwatch } from './rounds.ts'

const [address = '', folder = '', windowMs = '', commitIntervalMs = ''] = process.argv.slice(2)
const sizeMs = Number(windowMs)

function topologyOf({ input, output, records }: Round, first: () => void, last: () => void): Topology {
  let seen = 0
  const builder = new TopologyBuilder()
  builder
    .stream('input', kafka({ topic: input, key: string, value: string }))
    .process(peek('first', first))
    .process(count('counts', { window: tumbling({ sizeMs, graceMs: sizeMs }) }))
    .process(
      peek('last', () => {
        if (++seen === records) last()
      }),
    )
    .to('output', kafkaTopic({ topic: output, key: timeWindowed(string, sizeMs), value: msgpack<number>() }))
  return builder.build()
}

answerRounds(async (round) => {
  const stopwatch = new Stopwatch()
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const { application } = round
  const topology = topologyOf(round, () => stopwatch.begin(), resolve)
  await using broker = kafkaBroker({ brokers: [address] })
  await broker.open()
  const stateDirectory = join(folder, 'states')
  const settings = { application, stateDirectory, commitIntervalMs: Number(commitIntervalMs) }
  const runtime = new StreamRuntime({ topology, broker, ...settings })
  await runtime.start()
  await Promise.race([done, runtime.finished])
  await runtime.close()
  return stopwatch.read()
})
