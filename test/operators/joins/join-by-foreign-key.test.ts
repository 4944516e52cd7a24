import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, filter, joinByForeignKey, leftJoinByForeignKey, mapValues } from '../../../src/operators/index.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { describeTopology } from '../../../src/topology/describe.ts'
import type { Table } from '../../../src/topology/stream.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { settling } from '../../support/settling.ts'

interface Order {
  readonly customer: string | null
  readonly item: string
}

const orders = kafka({ topic: 'orders', key: string, value: msgpack<Order>() })
const customers = kafka({ topic: 'customers', key: string, value: string })
const output = kafkaTopic({ topic: 'out', key: string, value: string })

const by = ({ customer }: Order) => customer
const text = ({ item }: Order, customer: string | null) => `${item} for ${customer}`

function topologyOf(
  join: (left: Table<string, Order>, right: Table<string, string>) => Table<string, string>,
): Topology {
  const builder = new TopologyBuilder()
  join(builder.table('orders', orders), builder.table('customers', customers)).toStream().to('out', output)
  return builder.build()
}

const inner = () => topologyOf((left, right) => left.process(joinByForeignKey('joined', right, text, { by })))
const left = () => topologyOf((mine, right) => mine.process(leftJoinByForeignKey('joined', right, text, { by })))

const order = (key: string, customer: string | null, item: string, timestamp = 5) => {
  return { key, value: { customer, item }, timestamp }
}

async function outputs(driver: TopologyTestDriver): Promise<string[]> {
  return (await driver.read(output)).map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`)
}

describe('an inner join by a foreign key', () => {
  test('gives a row for each that refers to one, in the order of their keys when that changes', async () => {
    await using driver = await TopologyTestDriver.start(inner())

    await driver.pipe(orders, order('2', 'ann', 'tea', 5), order('1', 'ann', 'milk', 6), order('3', 'bob', 'rice', 7))
    await driver.pipe(customers, { key: 'ann', value: 'Ann', timestamp: 3 })
    await driver.pipe(customers, { key: 'ann', value: 'Anna', timestamp: 9 })
    await driver.pipe(orders, order('3', 'ann', 'rice', 8))

    expect(await outputs(driver)).toEqual([
      '1=milk for Ann@3',
      '2=tea for Ann@3',
      '1=milk for Anna@9',
      '2=tea for Anna@9',
      '3=rice for Anna@9',
    ])
  })

  test('loses the row when what it refers to goes, or it refers to something that is not there', async () => {
    await using driver = await TopologyTestDriver.start(inner())
    await driver.pipe(customers, { key: 'ann', value: 'Ann', timestamp: 1 })
    await driver.pipe(orders, order('1', 'ann', 'tea'), order('2', 'ann', 'milk'), order('3', 'ann', 'rice'))
    await outputs(driver)

    await driver.pipe(orders, order('1', 'nobody', 'tea', 6))
    await driver.pipe(orders, order('1', 'nobody', 'coffee', 7))
    await driver.pipe(orders, { key: '2', value: null, timestamp: 8 })
    await driver.pipe(customers, { key: 'ann', value: null, timestamp: 9 })

    expect(await outputs(driver)).toEqual(['1=null@6', '2=null@8', '3=null@9'])
  })

  test('drops a row that refers to nothing, and counts it', async () => {
    const dropped: string[] = []
    const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(inner(), { observer })
    await driver.pipe(customers, { key: 'ann', value: 'Ann', timestamp: 7 })

    await driver.pipe(orders, order('1', 'ann', 'tea'))
    await driver.pipe(orders, order('1', null, 'tea', 6))
    await driver.pipe(orders, order('2', null, 'milk', 6))

    expect(await outputs(driver)).toEqual(['1=tea for Ann@7', '1=null@7'])
    expect(dropped).toEqual(['null_key', 'null_key'])
  })

  test('loses the row of one that refers to nothing for a moment before it is deleted', async () => {
    const dropped: string[] = []
    const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(inner(), { observer })
    await driver.pipe(customers, { key: 'ann', value: 'Ann', timestamp: 1 })
    await driver.pipe(orders, order('1', 'ann', 'tea'))

    // The answer to the first of the two is stale, and the original asks for none to the second.
    await driver.pipe(orders, order('1', null, 'tea', 6), { key: '1', value: null, timestamp: 7 })

    expect(await outputs(driver)).toEqual(['1=tea for Ann@5', '1=null@7'])
    expect(dropped).toEqual(['null_key', 'stale'])
  })

  test('is a table: its rows can be filtered, counted and looked up', async () => {
    const counted = kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() })
    const builder = new TopologyBuilder()
    const rows = builder
      .table('orders', orders)
      .process(joinByForeignKey('joined', builder.table('customers', customers), text, { by }))
    rows
      .process(filter('no-tea', (row) => !row.startsWith('tea')))
      .process(mapValues('customer', (row) => row.split(' for ')[1] ?? ''))
      .process(count('per-customer', { by: (customer) => customer }))
      .toStream()
      .to('out', counted)
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(customers, { key: 'ann', value: 'Ann' }, { key: 'bob', value: 'Bob' })
    await driver.pipe(orders, order('1', 'ann', 'tea'), order('2', 'ann', 'milk'), order('3', 'ann', 'rice'))
    await driver.pipe(orders, order('2', 'bob', 'milk'))

    const last = new Map((await driver.read(counted)).map(({ key, value }) => [key, value]))
    expect(last).toEqual(
      new Map([
        ['Ann', 1],
        ['Bob', 1],
      ]),
    )
    expect(await Array.fromAsync(driver.store('joined').range())).toHaveLength(3)
  })

  test('may join a table with itself', async () => {
    const builder = new TopologyBuilder()
    const people = builder.table('people', kafka({ topic: 'people', key: string, value: msgpack<{ boss: string }>() }))
    const bosses = people.process(
      joinByForeignKey('bosses', people, (person, boss) => `${person.boss} below ${boss.boss}`, {
        by: ({ boss }) => boss,
      }),
    )
    bosses.toStream().to('out', output)
    await using driver = await TopologyTestDriver.start(builder.build(), { partitions: 2 })
    const source = kafka({ topic: 'people', key: string, value: msgpack<{ boss: string }>() })

    await driver.pipe(source, { key: 'ann', value: { boss: 'bob' }, timestamp: 1 })
    await driver.pipe(source, { key: 'bob', value: { boss: 'cid' }, timestamp: 2 })

    expect(await outputs(driver)).toEqual(['ann=bob below cid@2'])
  })

  test('has its topics and stores under the names of the step, and forgets who does not refer any more', async () => {
    const { subtopologies, internalTopics } = describeTopology(inner())
    await using driver = await TopologyTestDriver.start(inner())

    await driver.pipe(orders, order('1', 'ann', 'tea'), order('2', 'ann', 'milk'), order('3', 'bob', 'rice'))
    await driver.pipe(orders, order('1', 'bob', 'tea'), { key: '2', value: null })

    expect(await Array.fromAsync(driver.store('joined-subscription-store').range())).toHaveLength(2)
    expect(internalTopics.toSorted()).toEqual([
      'customers-changelog',
      'joined-changelog',
      'joined-subscription-registration-topic',
      'joined-subscription-response-topic',
      'joined-subscription-store-changelog',
      'orders-changelog',
    ])
    expect(subtopologies).toHaveLength(2)
  })
})

describe('a left join by a foreign key', () => {
  test('has a row for each of this table, with null where there is no other', async () => {
    const dropped: string[] = []
    const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(left(), { observer })

    await driver.pipe(orders, order('1', 'ann', 'tea', 1))
    await driver.pipe(orders, order('2', null, 'milk', 2))
    await driver.pipe(customers, { key: 'ann', value: 'Ann', timestamp: 3 })
    await driver.pipe(orders, order('1', null, 'tea', 4))
    await driver.pipe(orders, order('2', 'ann', 'milk', 5))
    await driver.pipe(customers, { key: 'ann', value: null, timestamp: 6 })
    await driver.pipe(orders, { key: '1', value: null, timestamp: 7 }, { key: '9', value: null, timestamp: 8 })

    expect(await outputs(driver)).toEqual([
      '1=tea for null@1',
      '2=milk for null@2',
      '1=tea for Ann@3',
      '1=tea for null@4',
      '2=milk for Ann@5',
      '2=milk for null@6',
      '1=null@7',
    ])
    expect(dropped).toEqual([])
  })
})

const sides = { orders: 2, customers: 5, out: 1 }

async function opened(): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics(Object.entries(sides).map(([topic, partitions]) => ({ topic, partitions })))
  return broker
}

type Sent = {
  readonly topic: 'orders' | 'customers'
  readonly key: string
  readonly value: Uint8Array
  readonly partition?: number
}

async function send(broker: Broker, records: readonly Sent[]): Promise<void> {
  const producer = await broker.producer()
  const complete = ({ topic, key, value, partition }: Sent) => {
    const bytes = string.serialize(key)
    const place = { topic, partition: partition ?? partitionFor(bytes, sides[topic]) }
    return { ...place, key: bytes, value, timestamp: 5, headers: noHeaders }
  }
  await producer.send(records.map(complete))
  await producer.close()
}

async function rowsIn(broker: Broker): Promise<Record<string, string>> {
  const rows = new Map<string, string>()
  for await (const { records } of broker.read({ topic: 'out', partition: 0 }, 0)) {
    for (const { key, value } of records) {
      if (key && value) rows.set(string.deserialize(key), string.deserialize(value))
      else if (key) rows.delete(string.deserialize(key))
    }
  }
  return Object.fromEntries([...rows].sort())
}

describe('tables with different partition counts', () => {
  test.each(['at_least_once', 'exactly_once'] as const)(
    'are joined, wherever the producers of the left one put its rows, with %s',
    async (processingGuarantee) => {
      await using broker = await opened()
      const options = { topology: inner(), broker, application: 'app', stateInMemory: true, processingGuarantee }
      const keys = ['1', '2', '3', '4', '5', '6', '7', '8']
      const customerOf = (key: string) => `c${Number(key) % 3}`
      // As a producer with another partitioner than ours does.
      const placed = (key: string, item: string): Sent => {
        const value = orders.value.serialize({ customer: customerOf(key), item })
        return { topic: 'orders', key, value, partition: (partitionFor(string.serialize(key), 2) + 1) % 2 }
      }
      const named = (name: string): Sent[] =>
        ['c0', 'c1', 'c2'].map((key) => ({ topic: 'customers', key, value: string.serialize(`${name}-${key}`) }))

      await using first = new StreamRuntime(options)
      await first.start()
      await send(broker, [...keys.map((key) => placed(key, 'tea')), ...named('old')])
      await first.drain()
      await using second = new StreamRuntime(options)
      await second.start()
      await send(broker, [...named('new'), ...keys.map((key) => placed(key, 'milk'))])
      // Rows go to and fro between the two, so the end of one says nothing.
      const expected = Object.fromEntries(keys.map((key) => [key, `milk for new-${customerOf(key)}`]))
      await settling(async () => expect(await rowsIn(broker)).toEqual(expected))
      const made = await broker.topics([
        'app-joined-subscription-registration-topic',
        'app-joined-subscription-response-topic',
      ])
      expect([...made.values()].map(({ partitions }) => partitions)).toEqual([5, 2])
    },
  )

  test('that come from repartition topics are joined too', async () => {
    await using broker = await opened()
    const builder = new TopologyBuilder()
    const perItem = builder
      .stream('orders', orders)
      .toTable(count('per-item', { by: (value) => value?.item ?? null, partitions: 3 }))
    const perName = builder.stream('customers', customers).toTable(count('per-name', { by: (value) => value }))
    const joined = perItem.process(
      joinByForeignKey('joined', perName, (items, names) => `${items} ${names}`, { by: (_, item) => item }),
    )
    joined.toStream().to('out', output)
    await using runtime = new StreamRuntime({
      topology: builder.build(),
      broker,
      application: 'app',
      stateInMemory: true,
    })
    await runtime.start()

    const tea = orders.value.serialize({ customer: null, item: 'tea' })
    await send(broker, [
      { topic: 'orders', key: '1', value: tea },
      { topic: 'orders', key: '2', value: tea },
      { topic: 'customers', key: 'x', value: string.serialize('tea') },
    ])
    await runtime.drain()

    expect(await rowsIn(broker)).toEqual({ tea: '2 1' })
    const made = await broker.topics([
      'app-joined-subscription-registration-topic',
      'app-joined-subscription-response-topic',
    ])
    expect([...made.values()].map(({ partitions }) => partitions)).toEqual([5, 3])
  })
})
