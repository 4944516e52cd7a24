import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { mapValues } from '../../../src/operators/map-values.ts'
import { merge } from '../../../src/operators/merge.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../../src/topology/processor.ts'

type Between = ProcessorSupplier<string, string, string, string>

/** A runtime of two merged topics, one of 4 partitions and one of 3. */
async function mergedThrough(between: Between) {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([
    { topic: 'four', partitions: 4 },
    { topic: 'three', partitions: 3 },
    { topic: 'out', partitions: 1 },
  ])
  const builder = new TopologyBuilder()
  const other = builder.stream('three', kafka({ topic: 'three', key: string, value: string }))
  builder
    .stream('four', kafka({ topic: 'four', key: string, value: string }))
    .process(merge('both', other))
    .process(between)
    .to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
  const runtime = new StreamRuntime({ topology: builder.build(), broker, application: 'app', stateInMemory: true })
  const close = async () => {
    await runtime.close()
    await broker.close()
  }
  return { runtime, broker, [Symbol.asyncDispose]: close }
}

describe('topics of different partition counts that meet in one task', () => {
  const ordered: Between = { ...mapValues<string, string, string>('ordered', (value) => value), order: 'key' }

  test.each([
    ['something is remembered of a key', dedupe<string, string>('seen')],
    ['the records of a key keep their order', ordered],
  ])('are refused where %s, before anything is written', async (_, between) => {
    await using merged = await mergedThrough(between)

    await expect(merged.runtime.start()).rejects.toThrow(
      'TOPIC_MISMATCH: topics whose keys have to meet differ in their partitions: "three" has 3, "four" has 4',
    )
    expect(await merged.broker.topics(['app-seen-changelog', 'app-dead-letter'])).toEqual(new Map())
  })

  test('are fine where every record stands for itself', async () => {
    await using merged = await mergedThrough(mapValues('alone', (value) => value))

    await merged.runtime.start()

    expect(merged.runtime.tasks.map((task) => task.id)).toEqual(['0_0', '0_1', '0_2', '0_3'])
  })
})
