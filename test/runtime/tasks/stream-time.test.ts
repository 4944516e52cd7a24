import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { merge } from '../../../src/operators/merge.ts'
import { string } from '../../../src/serde.ts'
import { timestampedKeyValueStore } from '../../../src/state/store-specs.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../../src/topology/processor.ts'

interface Input {
  readonly topic: 'a' | 'b'
  readonly key: string
  readonly timestamp: number
}

const remembered = timestampedKeyValueStore('remembered', { key: string, value: string, ttlMs: 50 })

/** Tells the time of the task, and what it remembers of the key; puts the first of a key only. */
const tell: ProcessorSupplier<string, string, string, string> = {
  name: 'tell',
  operator: 'tell',
  stores: [remembered],
  create: () => ({
    process(record, context) {
      const { key, timestamp } = record
      const store = context.store(remembered)
      const known = store.get(key)
      if (!known) store.put(key, { value: 'known', timestamp })
      context.forward({ ...record, value: `${context.streamTime} ${known?.timestamp ?? 'new'} ${record.value}` })
    },
  }),
}

const topics = {
  a: kafka({ topic: 'a', key: string, value: string }),
  // Half the time that it says, or that of the partition.
  b: kafka({
    topic: 'b',
    key: string,
    value: string,
    timestamp: ({ timestamp }, partitionTime) => (timestamp % 2 === 0 ? timestamp / 2 : partitionTime),
  }),
}
const told = kafkaTopic({ topic: 'told', key: string, value: string })

function topology() {
  const builder = new TopologyBuilder()
  const both = builder.stream('a', topics.a).process(merge('both', builder.stream('b', topics.b)))
  both.process(tell).to('told', told)
  return builder.build()
}

/** `stops`: before which inputs the runtime crashes. */
async function playedWith(inputs: readonly Input[], stops: readonly number[]) {
  await using driver = await TopologyTestDriver.start(topology())
  for (const [index, { topic, key, timestamp }] of inputs.entries()) {
    if (stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe(topics[topic], { key, value: `#${index}`, timestamp })
  }
  return (await driver.read(told)).map(({ key, value, timestamp }) => [key, value, timestamp])
}

test('the times of tasks and partitions, and what lives by them, go on after a crash at any point', async () => {
  const input: fc.Arbitrary<Input> = fc.record({
    topic: fc.constantFrom('a', 'b'),
    key: fc.constantFrom('k', 'l'),
    timestamp: fc.nat(200),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(input, { minLength: 1, maxLength: 15, size: 'max' }),
      fc.uniqueArray(fc.nat(14), { maxLength: 3 }),
      async (inputs, stops) => {
        expect(await playedWith(inputs, stops)).toEqual(await playedWith(inputs, []))
      },
    ),
    { numRuns: 25 },
  )
})

test('the time of a task is the largest of all its topics, and that of a partition its own', async () => {
  const outputs = await playedWith(
    [
      { topic: 'a', key: 'k', timestamp: 100 },
      { topic: 'b', key: 'l', timestamp: 60 },
      { topic: 'b', key: 'l', timestamp: 7 },
    ],
    [1, 2],
  )

  expect(outputs).toEqual([
    ['k', '100 new #0', 100],
    ['l', '100 new #1', 30],
    ['l', '100 new #2', 30],
  ])
})
