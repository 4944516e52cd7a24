import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { map } from '../../../src/operators/map.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import type { StreamRecord } from '../../../src/record.ts'
import type { GivenUpEvent } from '../../../src/runtime/observer.ts'
import { msgpack, nullable, type Serde, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { sessionWindowed, timeWindowed, type Windowed } from '../../../src/windowed.ts'

const source = kafka({ topic: 'in', key: nullable(string), value: msgpack<number>() })
const windowSource = kafka({ topic: 'in', key: timeWindowed(string, 10), value: msgpack<number>() })
const out = { topic: 'out', key: nullable(string), value: msgpack<number>() }

type Partition = (record: StreamRecord<string | null, number>, partitions: number) => number | undefined

/** Values in the order of the partitions that they are in. */
async function written(partition: Partition | undefined, records: readonly (readonly [string | null, number])[]) {
  const target = kafkaTopic({ ...out, ...(partition && { partition }) })
  const builder = new TopologyBuilder()
  builder.stream('in', source).to('out', target)
  const given: string[] = []
  const observer = { givenUp: ({ error }: GivenUpEvent) => void given.push(error.fact) }
  await using driver = await TopologyTestDriver.start(builder.build(), { partitions: 3, observer })
  for (const [key, value] of records) await driver.pipe(source, { key, value })
  const values = (await driver.read(target)).map(({ value }) => value)
  return { values, given }
}

describe('the partition of a record', () => {
  test('is that of its key, and in turn where it has none', async () => {
    const keys = ['c', 'a', 'b'].toSorted((a, b) => partitionOf(b) - partitionOf(a))

    const { values } = await written(undefined, [...keys.map((key) => [key, partitionOf(key)] as const)])
    const inTurn = await written(undefined, [
      [null, 0],
      [null, 1],
      [null, 2],
    ])

    expect(values).toEqual(keys.map(partitionOf).toSorted())
    expect(inTurn.values).toEqual([0, 1, 2])
  })

  test('is chosen by the target, with undefined for that of its key', async () => {
    const reversed: Partition = ({ value }, partitions) =>
      value === null || value < 0 ? undefined : partitions - 1 - value

    const { values, given } = await written(reversed, [
      ['a', 0],
      ['a', 1],
      ['a', 2],
    ])
    const byKey = await written(reversed, [['a', -1]])

    expect(values).toEqual([2, 1, 0])
    expect(byKey.values).toEqual([-1])
    expect(given).toEqual([])
  })

  test.each([
    ['windows', timeWindowed(string, 10)],
    ['sessions', sessionWindowed(string)],
    ['windows that may be missing', nullable(timeWindowed(string, 10))],
  ])('is that of the key itself for its %s, which the default partitioner would spread', async (_, key) => {
    const target = kafkaTopic({ topic: 'out', key: key as Serde<Windowed<string>>, value: msgpack<number>() })
    const builder = new TopologyBuilder()
    builder
      .stream('in', windowSource)
      .process(map('windows', ({ key: inner, window }, value) => [{ key: inner, window }, value ?? 0] as const))
      .to('out', target)
    await using driver = await TopologyTestDriver.start(builder.build(), { partitions: 3 })

    for (let at = 0; at < 9; at++) {
      for (const inner of ['a', 'b', 'c']) {
        const window = { startMs: at * 10, endMs: at * 10 + 10 }
        await driver.pipe(windowSource, { key: { key: inner, window }, value: partitionOf(inner) })
      }
    }

    const values = (await driver.read(target)).map(({ value }) => value ?? -1)
    expect(values).toHaveLength(27)
    expect(values).toEqual(values.toSorted())
  })

  test.each([3, -1, 0.5, Number.NaN])('%d of 3 gives the record up', async (chosen) => {
    const { values, given } = await written(() => chosen, [['a', 1]])

    expect(values).toEqual([])
    expect(given).toEqual([`a record for topic "out" has partition ${chosen} chosen for it, and there are 3`])
  })
})

function partitionOf(key: string): number {
  return partitionFor(string.serialize(key), 3)
}
