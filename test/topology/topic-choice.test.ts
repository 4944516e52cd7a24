import { describe, expect, expectTypeOf, test } from 'vitest'
import { kafkaTopics } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { describeTopology } from '../../src/topology/describe.ts'
import type { Topology } from '../../src/topology/topology.ts'

interface View {
  readonly country: string
}

const views = kafka({ topic: 'views', key: string, value: msgpack<View>() })
const letters = kafka({ topic: 'test-dead-letter', key: string, value: msgpack<View>() })
const german = kafka({ topic: 'views-de', key: string, value: msgpack<View>() })
const other = kafka({ topic: 'views-other', key: string, value: msgpack<View>() })

function byCountry(): Topology {
  const builder = new TopologyBuilder()
  builder.stream('views', views).to(
    'by-country',
    kafkaTopics({
      topics: ['views-de', 'views-other'],
      choose: ({ value }, source) => {
        expectTypeOf(value).toEqualTypeOf<View | null>()
        return value === null ? `views-other` : `${source?.topic}-${value.country}`
      },
      key: string,
      value: msgpack<View>(),
    }),
  )
  return builder.build()
}

describe('a stream that ends in one of several topics', () => {
  test('sends each record to the one that it chooses', async () => {
    await using driver = await TopologyTestDriver.start(byCountry())

    await driver.pipe(views, { key: 'a', value: { country: 'de' }, timestamp: 5 }, { key: 'b', value: null })

    expect((await driver.read(german)).map(({ key, timestamp }) => [key, timestamp])).toEqual([['a', 5]])
    expect((await driver.read(other)).map(({ key, value }) => [key, value])).toEqual([['b', null]])
  })

  test('gives up a record that chooses another topic', async () => {
    await using driver = await TopologyTestDriver.start(byCountry())

    await driver.pipe(views, { key: 'a', value: { country: 'fr' } }, { key: 'b', value: { country: 'de' } })

    const [letter] = await driver.read(letters)
    const message = letter?.headers.find(({ key }) => key === '__streams.errors.message')?.value
    expect(Buffer.from(message ?? []).toString()).toContain(
      '"by-country" chose topic "views-fr" for a record, which is none of its topics',
    )
    expect(await driver.read(german)).toHaveLength(1)
  })

  test('shows its topics, each as a sink', () => {
    const nodes = describeTopology(byCountry()).subtopologies[0]?.nodes.map(({ name, does }) => `${name}: ${does}`)

    expect(nodes).toEqual([
      'views: topic views',
      'by-country: chooseTopic',
      'by-country-views-de: topic views-de',
      'by-country-views-other: topic views-other',
    ])
  })
})
