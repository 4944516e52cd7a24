import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { joinStream, leftJoinStream, outerJoinStream } from '../../../src/operators/index.ts'
import { fromSide, listOf } from '../../../src/operators/joins/side.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { describeTopology } from '../../../src/topology/describe.ts'
import type { Stream } from '../../../src/topology/stream.ts'

const orders = kafka({ topic: 'orders', key: string, value: string })
const payments = kafka({ topic: 'payments', key: string, value: string })
const output = kafkaTopic({ topic: 'out', key: string, value: string })
const within = { beforeMs: 10, afterMs: 20, graceMs: 5 }

function pair(order: string | null, payment: string | null): string {
  return `${order ?? ''}+${payment ?? ''}`
}

function topologyOf(join: (left: Stream<string, string>, right: Stream<string, string>) => Stream<string, string>) {
  const builder = new TopologyBuilder()
  join(builder.stream('orders', orders), builder.stream('payments', payments)).to('out', output)
  return builder.build()
}

async function outputs(driver: TopologyTestDriver): Promise<string[]> {
  return (await driver.read(output)).map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`)
}

describe('a join of streams', () => {
  test('pairs what lies within the window, bounds included, at the later time', async () => {
    const topology = topologyOf((left, right) => left.process(joinStream('paid', right, pair, { within })))
    await using driver = await TopologyTestDriver.start(topology)

    await driver.pipe(orders, { key: 'a', value: 'o', timestamp: 100 })
    for (const timestamp of [89, 90, 120, 121]) await driver.pipe(payments, { key: 'a', value: 'p', timestamp })

    expect(await outputs(driver)).toEqual(['a=o+p@100', 'a=o+p@120'])
  })

  test('pairs what has the same time, when the window is that time alone', async () => {
    const instant = { beforeMs: 0, afterMs: 0 }
    const topology = topologyOf((left, right) => left.process(joinStream('paid', right, pair, { within: instant })))
    await using driver = await TopologyTestDriver.start(topology)

    for (const value of ['o1', 'o2']) await driver.pipe(orders, { key: 'a', value, timestamp: 5 })
    for (const timestamp of [5, 6]) await driver.pipe(payments, { key: 'a', value: 'p', timestamp })

    expect(await outputs(driver)).toEqual(['a=o1+p@5', 'a=o2+p@5'])
  })

  test('finds after a crash what came before it, and several of one time in their order', async () => {
    const topology = topologyOf((left, right) => left.process(joinStream('paid', right, pair, { within })))
    await using driver = await TopologyTestDriver.start(topology)
    await driver.pipe(orders, { key: 'a', value: 'first', timestamp: 5 }, { key: 'a', value: 'second', timestamp: 5 })

    await driver.crashAndRestart()
    await driver.pipe(payments, { key: 'a', value: 'p', timestamp: 6 })

    expect(await outputs(driver)).toEqual(['a=first+p@6', 'a=second+p@6'])
  })

  test('sends what found no match once its window is closed, also when it waited through a crash', async () => {
    const topology = topologyOf((left, right) => left.process(outerJoinStream('paid', right, pair, { within })))
    await using driver = await TopologyTestDriver.start(topology)
    await driver.pipe(orders, { key: 'a', value: 'o', timestamp: 100 })
    await driver.pipe(payments, { key: 'b', value: 'p', timestamp: 100 })

    await driver.crashAndRestart()
    await driver.pipe(orders, { key: 'z', value: 'clock', timestamp: 116 })
    expect(await outputs(driver)).toEqual(['b=+p@100'])

    await driver.pipe(orders, { key: 'z', value: 'clock', timestamp: 126 })
    expect(await outputs(driver)).toEqual(['a=o+@100'])
  })

  test('lets a left record go at once that comes after the end of its window, and joins it still', async () => {
    const topology = topologyOf((left, right) => left.process(leftJoinStream('paid', right, pair, { within })))
    await using driver = await TopologyTestDriver.start(topology)

    await driver.pipe(orders, { key: 'z', value: 'clock', timestamp: 121 })
    await driver.pipe(orders, { key: 'a', value: 'late', timestamp: 100 })
    await driver.pipe(payments, { key: 'a', value: 'p', timestamp: 101 })

    expect(await outputs(driver)).toEqual(['a=late+@100', 'a=late+p@101'])
  })

  test('looks again for what has expired as soon as the first that it did not need to look at may have', async () => {
    const bounds = { beforeMs: 10, afterMs: 10 }
    const topology = topologyOf((left, right) => left.process(outerJoinStream('paid', right, pair, { within: bounds })))
    await using driver = await TopologyTestDriver.start(topology)
    const order = (key: string, timestamp: number) => driver.pipe(orders, { key, value: 'o', timestamp })
    const payment = (key: string, timestamp: number) => driver.pipe(payments, { key, value: 'p', timestamp })

    await order('a', 0)
    await payment('b', 0)
    await order('c', 1)
    await payment('d', 2)
    for (const [key, timestamp] of [
      ['e', 9],
      ['f', 10],
      ['g', 11],
    ] as const)
      await order(key, timestamp)
    expect(await outputs(driver)).toEqual(['b=+p@0', 'a=o+@0'])

    await order('h', 20)
    expect(await outputs(driver)).toEqual(['c=o+@1', 'd=+p@2', 'e=o+@9'])
  })

  test('has a node and a store for each side', () => {
    const topology = topologyOf((left, right) => left.process(leftJoinStream('paid', right, pair, { within })))

    const [part] = describeTopology(topology).subtopologies
    expect(part?.nodes.map(({ name }) => name)).toEqual([
      'orders',
      'payments',
      'paid-left',
      'paid-right',
      'paid',
      'out',
    ])
    expect([...topology.stores.keys()]).toEqual(['paid-left', 'paid-right', 'paid-unmatched'])
  })

  test('refuses a window with a negative bound', () => {
    const build = () =>
      topologyOf((left, right) =>
        left.process(joinStream('paid', right, pair, { within: { beforeMs: -1, afterMs: 0 } })),
      )

    expect(build).toThrow('CONFIG_INVALID: beforeMs of join "paid" is -1')
  })
})

describe('the bytes of what waits in a join', () => {
  test('are those that were put in, and begin with the side: the right one first', () => {
    const serde = fromSide<string | number>({ left: string as never, right: msgpack<number>() as never })
    const [left, right] = [
      serde.serialize({ side: 'left', value: 'text' }),
      serde.serialize({ side: 'right', value: 7 }),
    ]

    expect(Buffer.compare(right, left)).toBe(-1)
    expect([serde.deserialize(left), serde.deserialize(right)]).toEqual([
      { side: 'left', value: 'text' },
      { side: 'right', value: 7 },
    ])
    expect(listOf(string).deserialize(listOf(string).serialize(['a', '', 'b']))).toEqual(['a', '', 'b'])
  })
})
