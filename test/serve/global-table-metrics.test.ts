import { expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { leftJoinGlobalTable } from '../../src/operators/index.ts'
import { noHeaders } from '../../src/record.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { RuntimeMetrics } from '../../src/serve/runtime-metrics.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'

const source = kafka({ topic: 'in', key: string, value: string })

test('metrics tell of global tables what was read, what was left out, and how far they are behind', async () => {
  const builder = new TopologyBuilder()
  const names = builder.globalTable('names', kafka({ topic: 'names', key: string, value: string }))
  builder
    .stream('in', source)
    .process(leftJoinGlobalTable('joined', names, (id, name) => name ?? id, { by: (id) => id }))
  const topology = builder.build()
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics(['names', 'in'].map((topic) => ({ topic, partitions: 1 })))
  const producer = await broker.producer()
  const record = { topic: 'names', partition: 0, value: string.serialize('Ann'), timestamp: 1, headers: noHeaders }
  await producer.send([
    { ...record, key: string.serialize('a') },
    { ...record, key: null },
  ])
  await producer.close()
  const metrics = new RuntimeMetrics({ topology, application: 'app' })
  await using runtime = new StreamRuntime({
    topology,
    broker,
    application: 'app',
    stateInMemory: true,
    observer: metrics,
  })
  await runtime.start()

  const text = await metrics.text(runtime.view)
  metrics.close()

  const app = 'application="app"'
  expect(text).toContain(`millrace_global_table_records_total{table="names",${app}} 2`)
  expect(text).toContain(`millrace_global_table_dropped_total{table="names",reason="null_key",${app}} 1`)
  expect(text).toContain(`millrace_global_table_dropped_total{table="names",reason="undecodable",${app}} 0`)
  expect(text).toContain(`millrace_global_table_lag_records{table="names",${app}} 0`)
})
