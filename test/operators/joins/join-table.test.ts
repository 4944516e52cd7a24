import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, filter, joinTable, leftJoinTable, mapValues, outerJoinTable } from '../../../src/operators/index.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'
import type { Topology } from '../../../src/topology/topology.ts'

const leftTopic = kafka({ topic: 'left', key: string, value: string })
const rightTopic = kafka({ topic: 'right', key: string, value: string })
const output = kafkaTopic({ topic: 'out', key: nullable(string), value: msgpack<unknown>() })

function pair(left: string | null, right: string | null): string {
  return `${left ?? ''}+${right ?? ''}`
}

function tables(join: (left: Table<string, string>, right: Table<string, string>) => Table<string, unknown>): Topology {
  const builder = new TopologyBuilder()
  const left = builder.table('left', leftTopic)
  const right = builder.table('right', rightTopic)
  joined(join(left, right)).to('out', output)
  return builder.build()
}

function joined(table: Table<string, unknown>): Stream<string | null, unknown> {
  return table.toStream() as Stream<string | null, unknown>
}

async function outputs(driver: TopologyTestDriver): Promise<string[]> {
  return (await driver.read(output)).map(({ key, value }) => `${key}=${value}`)
}

describe('a join of tables', () => {
  test('with a store knows what a row was, though a table comes into it on two ways', async () => {
    const topology = tables((left, right) =>
      left
        .process(joinTable('both', right, pair))
        .process(filter('no-x', (text) => !text.includes('x')))
        .process(joinTable('again', right, (text, own) => `${text}, ${own}`, { store: {} }))
        .process(count('per-length', { by: (text) => `${text?.length}` })),
    )
    await using driver = await TopologyTestDriver.start(topology)

    await driver.pipe(leftTopic, { key: 'a', value: 'l' })
    await driver.pipe(rightTopic, { key: 'a', value: 'r' })
    expect(await outputs(driver)).toEqual(['6=1', '6=1'])

    await driver.pipe(rightTopic, { key: 'a', value: 'x' })
    expect((await outputs(driver)).at(-1)).toBe('6=0')
  })

  test.each([
    ['keeps nothing of its own', undefined, ['left', 'right']],
    ['keeps its rows when asked to', { storage: 'memory' } as const, ['left', 'right', 'both']],
  ])('%s, and is looked up by a stream either way', async (_, store, stores) => {
    const builder = new TopologyBuilder()
    const [left, right] = [builder.table('left', leftTopic), builder.table('right', rightTopic)]
    const both = left.process(outerJoinTable('both', right, pair, store && { store }))
    const questions = kafka({ topic: 'questions', key: string, value: string })
    const answers = builder.stream('questions', questions).process(leftJoinTable('answer', both, (__, row) => row))
    answers.to('out', kafkaTopic({ topic: 'out', key: string, value: msgpack<string | null>() }))
    const topology = builder.build()
    await using driver = await TopologyTestDriver.start(topology)

    await driver.pipe(leftTopic, { key: 'a', value: 'l' })
    await driver.pipe(rightTopic, { key: 'b', value: 'r' })
    await driver.pipe(questions, { key: 'a', value: '?' }, { key: 'b', value: '?' }, { key: 'c', value: '?' })

    expect(await outputs(driver)).toEqual(['a=l+', 'b=+r', 'c=null'])
    expect([...topology.stores.keys()]).toEqual(stores)
  })

  test('refuses a table of another topology', () => {
    const other = new TopologyBuilder().table('right', rightTopic)

    expect(() => tables((left) => left.process(joinTable('both', other, pair)))).toThrow(
      'node "both" reads from "both-right", which is not part of this topology',
    )
  })
})

describe('a join of a stream with a table', () => {
  const views = kafka({ topic: 'views', key: nullable(string), value: string })

  function viewsJoined(
    join: (stream: Stream<string | null, string>, right: Table<string, string>) => Stream<never, unknown>,
  ) {
    const builder = new TopologyBuilder()
    const right = builder.table('right', rightTopic)
    const stream = join(builder.stream('views', views), right) as Stream<string | null, unknown>
    stream.to('out', output)
    return builder.build()
  }

  test('sees the row as it was when the record came', async () => {
    const topology = viewsJoined((stream, right) =>
      stream.process(joinTable('joined', right.process(mapValues('loud', (text) => text.toUpperCase())), pair)),
    )
    await using driver = await TopologyTestDriver.start(topology)

    await driver.pipe(rightTopic, { key: 'a', value: 'one' })
    await driver.pipe(views, { key: 'a', value: 'v1' }, { key: 'b', value: 'v2' })
    await driver.pipe(rightTopic, { key: 'a', value: 'two' })
    await driver.crashAndRestart()
    await driver.pipe(views, { key: 'a', value: 'v3' })

    expect(await outputs(driver)).toEqual(['a=v1+ONE', 'a=v3+TWO'])
  })

  test('by another key brings the records to the rows, and keeps those without one only for a left join', async () => {
    const by = (view: string): string | null => (view === 'none' ? null : view.slice(0, 1))
    for (const [join, expected] of [
      [joinTable<string | null, string, string | null, string, string>, ['a=a1+row']],
      [leftJoinTable<string | null, string, string | null, string, string>, ['a=a1+row', 'null=none+', 'b=b1+']],
    ] as const) {
      const topology = viewsJoined((stream, right) => stream.process(join('joined', right, pair, { by })) as never)
      await using driver = await TopologyTestDriver.start(topology)

      await driver.pipe(rightTopic, { key: 'a', value: 'row' })
      await driver.pipe(views, { key: 'x', value: 'a1' }, { key: 'y', value: 'none' }, { key: null, value: 'b1' })

      expect(await outputs(driver)).toEqual(expected)
    }
  })
})

describe('topics whose keys meet in a join', () => {
  async function started(topology: Topology, partitions: Readonly<Record<string, number>>) {
    const broker = embeddedBroker()
    await broker.open()
    await broker.createTopics(Object.entries(partitions).map(([topic, count]) => ({ topic, partitions: count })))
    const runtime = new StreamRuntime({ topology, broker, application: 'app', stateInMemory: true })
    const close = async () => {
      await runtime.close()
      await broker.close()
    }
    return { runtime, broker, [Symbol.asyncDispose]: close }
  }

  test('must have equal partition counts, which is said with their names before anything is written', async () => {
    const topology = tables((left, right) => left.process(joinTable('both', right, pair)))
    await using app = await started(topology, { left: 4, right: 3, out: 1 })

    await expect(app.runtime.start()).rejects.toThrow(
      'TOPIC_MISMATCH: topics whose keys have to meet differ in their partitions: "left" has 4, "right" has 3',
    )
    expect(await app.broker.topics(['app-left-changelog'])).toEqual(new Map())
  })

  test('get a repartition topic of as many partitions where a stream comes under another key', async () => {
    const builder = new TopologyBuilder()
    const right = builder.table('right', rightTopic)
    builder
      .stream('left', leftTopic)
      .process(joinTable('joined', right, pair, { by: (value) => value }))
      .to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
    await using app = await started(builder.build(), { left: 4, right: 3, out: 1 })

    await app.runtime.start()

    const topics = await app.broker.topics(['app-joined-repartition'])
    expect(topics.get('app-joined-repartition')?.partitions).toBe(3)
  })
})
