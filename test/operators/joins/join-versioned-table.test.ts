import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { filter, joinTable, leftJoinTable, mapValues } from '../../../src/operators/index.ts'
import { headerText } from '../../../src/record.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'

const orders = kafka({ topic: 'orders', key: nullable(string), value: string })
const prices = kafka({ topic: 'prices', key: string, value: string })
const output = kafkaTopic({ topic: 'out', key: nullable(string), value: msgpack<unknown>() })

type Join = (orders: Stream<string | null, string>, prices: Table<string, string>) => Stream<never, unknown>

async function driven(join: Join, historyMs = 1_000) {
  const builder = new TopologyBuilder()
  const table = builder.table('prices', prices, { historyMs })
  const joined = join(builder.stream('orders', orders), table) as Stream<string | null, unknown>
  joined.to('out', output)
  const dropped: string[] = []
  const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
  return { driver: await TopologyTestDriver.start(builder.build(), { observer }), dropped }
}

async function outputs(driver: TopologyTestDriver): Promise<string[]> {
  return (await driver.read(output)).map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`)
}

function pair(order: string, price: string | null): string {
  return `${order} for ${price ?? 'nothing'}`
}

/** A price of 10 from time 10 on, of 20 from time 20 on. */
async function setPrices(driver: TopologyTestDriver): Promise<void> {
  await driver.pipe(prices, { key: 'a', value: '20', timestamp: 20 }, { key: 'a', value: '10', timestamp: 10 })
}

describe('a stream joined with a versioned table', () => {
  test('gets the row of the time of each record', async () => {
    const { driver } = await driven((stream, table) => stream.process(leftJoinTable('priced', table, pair)))
    await using _ = driver

    await setPrices(driver)
    await driver.crashAndRestart()
    for (const timestamp of [25, 15, 5]) await driver.pipe(orders, { key: 'a', value: 'one', timestamp })

    expect(await outputs(driver)).toEqual(['a=one for 20@25', 'a=one for 10@15', 'a=one for nothing@5'])
  })

  test('gets it through steps that keep nothing, and the latest row where one keeps plain rows', async () => {
    const { driver } = await driven((stream, table) => {
      const loud = table
        .process(filter('cheap', (price) => price !== '20'))
        .process(mapValues('loud', (price) => `${price}!`))
      const plain = table.process(mapValues('plain', (price) => `${price}.`, { store: {} }))
      return stream.process(leftJoinTable('with-loud', loud, pair)).process(leftJoinTable('with-plain', plain, pair))
    })
    await using _ = driver

    await setPrices(driver)
    for (const timestamp of [25, 15]) await driver.pipe(orders, { key: 'a', value: 'one', timestamp })

    expect(await outputs(driver)).toEqual(['a=one for nothing for 10.@25', 'a=one for 10! for 10.@15'])
  })
})

describe('with a grace', () => {
  test('records wait until the stream is so much later, and come out in the order of time', async () => {
    const { driver } = await driven((stream, table) =>
      stream.process(leftJoinTable('priced', table, pair, { graceMs: 10 })),
    )
    await using _ = driver

    await driver.pipe(orders, { key: 'b', value: 'two', timestamp: 16 }, { key: 'a', value: 'one', timestamp: 15 })
    await driver.pipe(orders, { key: 'a', value: 'again', timestamp: 15 })
    expect(await outputs(driver)).toEqual([])

    await setPrices(driver)
    await driver.crashAndRestart()
    await driver.pipe(orders, { key: 'c', value: 'three', timestamp: 25 })
    expect(await outputs(driver)).toEqual(['a=one for 10@15', 'a=again for 10@15'])

    await driver.pipe(orders, { key: 'c', value: 'four', timestamp: 26 })
    expect(await outputs(driver)).toEqual(['b=two for nothing@16'])
  })

  test('a record that is later than the grace is joined at once', async () => {
    const { driver } = await driven((stream, table) =>
      stream.process(joinTable('priced', table, pair, { graceMs: 10, storage: 'memory' })),
    )
    await using _ = driver
    await setPrices(driver)

    await driver.pipe(orders, { key: 'b', value: 'one', timestamp: 30 }, { key: 'a', value: 'two', timestamp: 19 })
    await driver.pipe(orders, { key: 'a', value: 'three', timestamp: 20 })

    // The last one has waited long enough when it comes.
    expect(await outputs(driver)).toEqual(['a=two for 10@19', 'a=three for 20@20'])
  })

  test('keeps headers, and drops and counts records without key or value, which do not move its time', async () => {
    const { driver, dropped } = await driven((stream, table) =>
      stream.process(leftJoinTable('priced', table, pair, { graceMs: 10 })),
    )
    await using _ = driver
    const headers = [{ key: 'trace', value: Buffer.from('1') }]

    await driver.pipe(orders, { key: 'a', value: 'one', timestamp: 15, headers })
    await driver.pipe(orders, { key: null, value: 'x', timestamp: 99 }, { key: 'a', value: null, timestamp: 99 })
    expect(await outputs(driver)).toEqual([])
    await driver.pipe(orders, { key: 'a', value: 'two', timestamp: 25 })

    const [joined] = await driver.read(output)
    expect(joined && headerText(joined.headers, 'trace')).toBe('1')
    expect(dropped).toEqual(['null_key', 'null_value'])
  })

  test('where the join of one record fails, the others that waited are joined', async () => {
    const failing = (order: string, price: string | null): string => {
      if (order === 'poison') throw new Error('the joiner fails')
      return pair(order, price)
    }
    const { driver } = await driven((stream, table) =>
      stream.process(leftJoinTable('priced', table, failing, { graceMs: 10 })),
    )
    await using _ = driver

    for (const value of ['one', 'poison', 'two']) await driver.pipe(orders, { key: 'a', value, timestamp: 15 })
    await driver.pipe(orders, { key: 'b', value: 'three', timestamp: 30 })

    expect(await outputs(driver)).toEqual(['a=one for nothing@15', 'a=two for nothing@15'])
  })

  test('waits by another key', async () => {
    const by = (order: string): string => order.slice(0, 1)
    const { driver } = await driven((stream, table) =>
      stream.process(joinTable('priced', table, pair, { by, graceMs: 10 })),
    )
    await using _ = driver

    await driver.pipe(orders, { key: 'x', value: 'a1', timestamp: 15 })
    await setPrices(driver)
    await driver.pipe(orders, { key: 'y', value: 'b1', timestamp: 25 })

    expect(await outputs(driver)).toEqual(['a=a1 for 10@15'])
  })

  test('refuses a table without a history, or with a shorter one, and a grace that is negative', () => {
    const builder = new TopologyBuilder()
    const [plain, versioned] = [
      builder.table('plain', prices),
      builder.table('versioned', { ...prices, topic: 'more' }, { historyMs: 5 }),
    ]

    expect(() => joinTable('priced', plain, pair, { graceMs: 10 })).toThrow(
      'TOPOLOGY_INVALID: join "priced" waits for the rows of a time, but table "plain" knows only the latest',
    )
    expect(() => joinTable('priced', versioned, pair, { graceMs: 6 })).toThrow(
      'TOPOLOGY_INVALID: join "priced" waits 6 ms, but table "versioned" forgets its rows after 5 ms',
    )
    expect(() => joinTable('priced', versioned, pair, { graceMs: -1 })).toThrow(
      'CONFIG_INVALID: graceMs of join "priced" is -1',
    )
  })
})
