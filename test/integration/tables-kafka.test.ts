import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { joinByForeignKey, joinGlobalTable } from '../../src/operators/index.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { partitionsOf } from '../../src/runtime/partitions.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { settling } from '../support/settling.ts'

interface Order {
  readonly customer: string
  readonly country: string
}

const counts = { orders: 3, customers: 2, countries: 4, out: 2 }
type Name = keyof typeof counts

const orderKeys = Array.from({ length: 30 }, (_, index) => `order ${index}`)
const customerKeys = Array.from({ length: 5 }, (_, index) => `customer ${index}`)
const countryKeys = ['ch', 'fr', 'it', 'at', 'de']

function topologyOf(application: string): Topology {
  const topic = (name: Name) => `${application}-${name}`
  const builder = new TopologyBuilder()
  const orders = builder.table('orders', kafka({ topic: topic('orders'), key: string, value: msgpack<Order>() }))
  const customers = builder.table('customers', kafka({ topic: topic('customers'), key: string, value: string }))
  const countries = builder.globalTable('countries', kafka({ topic: topic('countries'), key: string, value: string }))
  orders
    .process(
      joinByForeignKey('with-customer', customers, ({ country }, customer) => ({ country, customer }), {
        by: ({ customer }) => customer,
      }),
    )
    .toStream()
    .process(
      joinGlobalTable('with-country', countries, ({ customer }, country) => `${customer} in ${country}`, {
        by: ({ country }) => country,
      }),
    )
    .to('out', kafkaTopic({ topic: topic('out'), key: string, value: string }))
  return builder.build()
}

async function send(
  broker: Broker,
  application: string,
  name: Name,
  rows: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const producer = await broker.producer()
  await producer.send(
    [...rows].map(([key, value]) => {
      const bytes = string.serialize(key)
      const place = { topic: `${application}-${name}`, partition: partitionFor(bytes, counts[name]) }
      return { ...place, key: bytes, value, timestamp: Date.now(), headers: noHeaders }
    }),
  )
  await producer.close()
}

async function results(broker: Broker, application: string): Promise<Record<string, string>> {
  const rows = new Map<string, string>()
  for (const place of partitionsOf(`${application}-out`, counts.out)) {
    for await (const { records } of broker.read(place, 0)) {
      for (const { key, value } of records)
        if (key && value) rows.set(string.deserialize(key), string.deserialize(value))
    }
  }
  return Object.fromEntries([...rows].sort())
}

test.runIf(kafkaBrokers.length > 0)(
  'global tables and foreign-key joins on Kafka are right after a crash, with two instances and exactly_once',
  async () => {
    const application = `tables-${randomUUID()}`
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    await broker.createTopics(
      Object.entries(counts).map(([name, partitions]) => ({
        topic: `${application}-${name}`,
        partitions,
        ...(name === 'countries' && { cleanup: 'compact' as const }),
      })),
    )
    const text = (keys: readonly string[], value: (key: string) => string) =>
      new Map(keys.map((key) => [key, string.serialize(value(key))]))
    const orders = (shift: number) =>
      new Map(
        orderKeys.map((key, index) => {
          const customer = customerKeys[(index + shift) % customerKeys.length] ?? ''
          const country = countryKeys[(index * 3 + shift) % countryKeys.length] ?? ''
          return [key, msgpack<Order>().serialize({ customer, country })] as const
        }),
      )
    const instance = async () => {
      const runtime = new StreamRuntime({
        topology: topologyOf(application),
        broker,
        application,
        stateInMemory: true,
        processingGuarantee: 'exactly_once',
        commitIntervalMs: 100,
        sessionTimeoutMs: 6_000,
      })
      await runtime.start()
      return runtime
    }
    await send(
      broker,
      application,
      'countries',
      text(countryKeys, (key) => key.toUpperCase()),
    )
    const first = await instance()
    const second = await instance()

    await send(
      broker,
      application,
      'customers',
      text(customerKeys, (key) => `old ${key}`),
    )
    await send(broker, application, 'orders', orders(0))
    await settling(async () => expect(Object.keys(await results(broker, application))).toHaveLength(orderKeys.length))
    const halfway = send(broker, application, 'orders', orders(1))
    await first.kill()
    await halfway
    await send(
      broker,
      application,
      'customers',
      text(customerKeys, (key) => `new ${key}`),
    )
    const third = await instance()

    const expected = Object.fromEntries(
      orderKeys
        .map((key, index) => {
          const customer = customerKeys[(index + 1) % customerKeys.length]
          const country = countryKeys[(index * 3 + 1) % countryKeys.length]?.toUpperCase()
          return [key, `new ${customer} in ${country}`] as const
        })
        .sort(),
    )
    await settling(async () => expect(await results(broker, application)).toEqual(expected))
    const made = await broker.topics(
      ['registration', 'response'].map((name) => `${application}-with-customer-subscription-${name}-topic`),
    )
    expect([...made.values()].map(({ partitions }) => partitions)).toEqual([counts.customers, counts.orders])
    const countryRows = third.view.globalTables[0]?.rows
    expect(countryKeys.map((key) => countryRows?.get(key))).toMatchObject(
      countryKeys.map((key) => ({ value: key.toUpperCase() })),
    )
    await second.close()
    await third.close()
  },
)
