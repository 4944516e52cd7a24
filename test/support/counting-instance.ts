import { kafka } from '../../src/connectors/kafka/source.ts'
import { count, latest, tumbling } from '../../src/operators/index.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'

/**
 * Counts the records of topic `in` by key, by key and second, and keeps their last value; keeps the versions of the rows of topic `rows`, and
 * all of topic `countries`. The prefix is that of all three.
 */
function countingTopology(prefix = ''): Topology {
  const builder = new TopologyBuilder()
  const source = kafka({ topic: `${prefix}in`, key: string, value: string })
  const lines = builder.stream('in', source)
  lines.toTable(count('counts'))
  lines.process(count('per-second', { window: tumbling({ sizeMs: 1_000, graceMs: 10_000 }) }))
  lines.toTable(latest('last'))
  builder.table('versions', kafka({ topic: `${prefix}rows`, key: string, value: string }), { historyMs: 10_000 })
  builder.globalTable('countries', kafka({ topic: `${prefix}countries`, key: string, value: string }))
  return builder.build()
}

export const countedTopics = ['in', 'rows', 'countries']

export interface CountingOptions extends Partial<StreamRuntimeOptions> {
  readonly broker: Broker
  readonly prefix?: string
}

export function countingInstance({ prefix, ...options }: CountingOptions): StreamRuntime {
  return new StreamRuntime({ topology: countingTopology(prefix), application: 'app', commitIntervalMs: 20, ...options })
}

export interface Written {
  readonly topic?: string
  readonly partition?: number
  readonly key: string
  readonly value?: string
  readonly timestamp?: number
}

export async function writeAll(broker: Broker, records: readonly Written[]): Promise<void> {
  const producer = await broker.producer()
  await producer.send(
    records.map(({ topic = 'in', partition = 0, key, value = '', timestamp = 1 }) => {
      return { topic, partition, key: Buffer.from(key), value: Buffer.from(value), timestamp, headers: noHeaders }
    }),
  )
  await producer.close()
}
