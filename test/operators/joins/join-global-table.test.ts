import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { joinGlobalTable, leftJoinGlobalTable } from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { describeAsText } from '../../../src/topology/describe.ts'

interface View {
  readonly page: string
  readonly country: string | null
}

const countries = kafka({ topic: 'countries', key: string, value: string })
const views = kafka({ topic: 'views', key: nullable(string), value: msgpack<View>() })
const output = kafkaTopic({ topic: 'out', key: nullable(string), value: string })

const text = ({ page }: View, country: string | null) => `${page} ${country}`
const by = ({ country }: View) => country

function topologyWith(join: typeof joinGlobalTable | typeof leftJoinGlobalTable) {
  const builder = new TopologyBuilder()
  const table = builder.globalTable('all-countries', countries, { storage: 'memory' })
  builder
    .stream('views', views)
    .process(join('with-country', table, text, { by }))
    .to('out', output)
  return builder.build()
}

function observed() {
  const dropped: string[] = []
  return {
    dropped,
    observer: {
      dropped: (_: unknown, reason: string) => void dropped.push(reason),
      globalDropped: (table: string, reason: string) => void dropped.push(`${table} ${reason}`),
    },
  }
}

describe('a join with a global table', () => {
  test('finds rows of every partition, by a key that is not that of the record', async () => {
    await using driver = await TopologyTestDriver.start(topologyWith(joinGlobalTable), { partitions: 3 })
    await driver.pipe(countries, { key: 'ch', value: 'Switzerland' }, { key: 'fr', value: 'France' })
    await driver.pipe(countries, { key: 'it', value: 'Italy' }, { key: 'at', value: 'Austria' })

    for (const country of ['ch', 'fr', 'it', 'at'])
      await driver.pipe(views, { key: 'a', value: { page: '/', country }, timestamp: 7 })

    const joined = await driver.read(output)
    expect(joined.map(({ value }) => value)).toEqual(['/ Switzerland', '/ France', '/ Italy', '/ Austria'])
    expect(joined[0]).toMatchObject({ key: 'a', timestamp: 7 })
  })

  test('sees the row as it is when the record comes', async () => {
    await using driver = await TopologyTestDriver.start(topologyWith(joinGlobalTable))
    const view = { key: 'a', value: { page: '/', country: 'ch' } }

    await driver.pipe(views, view)
    await driver.pipe(countries, { key: 'ch', value: 'Helvetia' })
    await driver.pipe(views, view)
    await driver.pipe(countries, { key: 'ch', value: 'Switzerland' })
    await driver.pipe(views, view)
    await driver.pipe(countries, { key: 'ch', value: null })
    await driver.pipe(views, view)

    expect((await driver.read(output)).map(({ value }) => value)).toEqual(['/ Helvetia', '/ Switzerland'])
  })

  test('counts what has no value, and what names no row', async () => {
    const { dropped, observer } = observed()
    await using driver = await TopologyTestDriver.start(topologyWith(joinGlobalTable), { observer })

    await driver.pipe(views, { key: 'a', value: null }, { key: 'b', value: { page: '/', country: null } })
    await driver.pipe(views, { key: 'c', value: { page: '/', country: 'nowhere' } })

    expect(await driver.read(output)).toEqual([])
    expect(dropped).toEqual(['null_value', 'null_key'])
  })

  test('that is a left join gives null where there is no row, and where none is named', async () => {
    const { dropped, observer } = observed()
    await using driver = await TopologyTestDriver.start(topologyWith(leftJoinGlobalTable), { observer })

    await driver.pipe(views, { key: 'a', value: { page: '/1', country: 'ch' } })
    await driver.pipe(views, { key: 'b', value: { page: '/2', country: null } })
    await driver.pipe(views, { key: null, value: { page: '/3', country: 'ch' } }, { key: 'd', value: null })

    expect((await driver.read(output)).map(({ key, value }) => [key, value])).toEqual([
      ['a', '/1 null'],
      ['b', '/2 null'],
      [null, '/3 null'],
    ])
    expect(dropped).toEqual(['null_value'])
  })
})

describe('a global table', () => {
  test('keeps what arrived last of each key with its time, and counts records without a key', async () => {
    const { dropped, observer } = observed()
    await using driver = await TopologyTestDriver.start(topologyWith(joinGlobalTable), { observer })

    await driver.pipe(countries, { key: 'ch', value: 'a', timestamp: 9 }, { key: 'ch', value: 'b', timestamp: 5 })
    await driver.pipe(countries, { key: null, value: 'c' })

    expect(await Array.fromAsync(driver.store('all-countries').range())).toEqual([['ch', { value: 'b', timestamp: 5 }]])
    expect(dropped).toEqual(['all-countries null_key'])
  })

  test('belongs to no sub-topology, and has no changelog', () => {
    const topology = topologyWith(joinGlobalTable)

    expect(describeAsText(topology)).toBe(
      [
        'Sub-topology 0',
        '  source views (topic views)',
        '    --> with-country',
        '  processor with-country (joinGlobalTable) global tables: all-countries',
        '    --> out',
        '  sink out (topic out)',
        'Global table all-countries (topic countries, memory)',
      ].join('\n'),
    )
  })

  test('cannot be written to by a step', async () => {
    const builder = new TopologyBuilder()
    const table = builder.globalTable('all-countries', countries)
    builder
      .stream('views', views)
      .process({
        name: 'writes',
        operator: 'own',
        globalTables: [table.name],
        create: () => ({
          process: (_, context) => context.store<{ name: string; delete(key: string): void }>(table.name).delete('ch'),
        }),
      })
      .to('out', output)
    const options = { onFailedRecord: 'fail' } as const
    await using driver = await TopologyTestDriver.start(builder.build(), options)

    const writing = driver.pipe(views, { key: 'a', value: { page: '/', country: 'ch' } })

    await expect(writing).rejects.toMatchObject({ message: expect.stringContaining('writes to the global table') })
  })

  test('is refused under a name that is taken, with times of its own, and where it is not part of the topology', () => {
    const builder = new TopologyBuilder()
    builder.globalTable('views', countries)
    builder.globalTable('twice', countries)
    builder.globalTable('twice', countries)
    builder.globalTable('no good', countries)
    const stranger = new TopologyBuilder().globalTable('elsewhere', countries)
    builder
      .stream('views', views)
      .process(joinGlobalTable('joined', stranger, text, { by }))
      .to('out', output)

    const build = () => builder.build()
    expect(build).toThrow('the global table "views" has the name of a node or a store')
    expect(build).toThrow('two global tables have the name "twice"')
    expect(build).toThrow('the global table name "no good" is not legal')
    expect(build).toThrow('node "joined" reads global table "elsewhere", which nothing declares')
    expect(() => builder.globalTable('timed', { ...countries, timestamp: () => 1 })).toThrow(StreamError)
  })
})
