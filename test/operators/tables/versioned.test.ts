import { describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { embed } from '../../../src/embed/embed.ts'
import { hash } from '../../../src/embed/hash.ts'
import { chunk, count, diff, filter, joinTable, latest, mapValues, suppress } from '../../../src/operators/index.ts'
import { msgpack, string } from '../../../src/serde.ts'
import type { StateStore, VersionedStore } from '../../../src/state/store.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Table } from '../../../src/topology/stream.ts'
import { output, outputs } from '../../support/drive.ts'

const numbers = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const others = kafka({ topic: 'others', key: string, value: msgpack<number>() })

/** Sends the changes of a table to `out`, and counts what is dropped by its reason. */
async function driven(
  derive: (table: Table<string, number>, builder: TopologyBuilder) => Table<string, unknown>,
  options: { readonly historyMs: number; readonly storage?: 'level' | 'memory' } = { historyMs: 100 },
) {
  const builder = new TopologyBuilder()
  derive(builder.table('numbers', numbers, options), builder)
    .toStream()
    .to('out', output)
  const dropped: string[] = []
  const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
  return { driver: await TopologyTestDriver.start(builder.build(), { observer }), dropped }
}

function versionsIn(driver: TopologyTestDriver, name: string): VersionedStore<string, unknown> {
  const store: StateStore = driver.store(name)
  return store as VersionedStore<string, unknown>
}

function isEven(value: number): boolean {
  return value % 2 === 0
}

describe('a versioned table', () => {
  test('sends on what comes out of order, and keeps the row with the latest time', async () => {
    const { driver, dropped } = await driven((table) => table)
    await using _ = driver

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 20 })

    expect(await outputs(driver)).toEqual(['a=1', 'a=2'])
    expect(versionsIn(driver, 'numbers').get('a')).toEqual({ value: 1, timestamp: 50 })
    expect(dropped).toEqual([])
  })

  test('drops and counts what is older than its history, also after a crash', async () => {
    const { driver, dropped } = await driven((table) => table)
    await using _ = driver

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 150 }, { key: 'b', value: 2, timestamp: 49 })
    await driver.crashAndRestart()
    await driver.pipe(numbers, { key: 'b', value: 3, timestamp: 49 }, { key: 'b', value: 4, timestamp: 50 })

    expect(await outputs(driver)).toEqual(['a=1', 'b=4'])
    expect(dropped).toEqual(['late', 'late'])
  })

  test('may be made of a stream', async () => {
    const builder = new TopologyBuilder()
    const table = builder.stream('in', numbers).toTable(latest('numbers', { historyMs: 100, storage: 'memory' }))
    table.toStream().to('out', kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() }))
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 20 })

    expect(versionsIn(driver, 'numbers').get('a', 30)).toEqual({ value: 2, timestamp: 20, untilMs: 50 })
  })

  test('is looked up by a processor as of any time', async () => {
    const { driver } = await driven((table, builder) => {
      const asked = builder.stream('others', others).process({
        name: 'look-up',
        operator: 'look-up',
        stores: table.stores,
        create: () => ({
          process: (record, context) => {
            const row = table.getAsOf(record.key, record.timestamp, context)
            context.forward({ ...record, value: row ? row.value : 'none' })
          },
        }),
      })
      return asked.toTable(latest('answers', { key: string }))
    })
    await using _ = driver

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 20 })
    for (const timestamp of [60, 30, 10]) await driver.pipe(others, { key: 'a', value: 0, timestamp })

    expect(await outputs(driver)).toEqual(['a=1', 'a=2', 'a="none"'])
    const plain = new TopologyBuilder().table('plain', numbers)
    expect(() => plain.getAsOf('a', 1, { store: () => expect.fail() })).toThrow(
      'TOPOLOGY_INVALID: table "plain" knows only the latest rows',
    )
  })

  test('refuses a history that is negative, and one that its topic would have to keep', () => {
    const builder = new TopologyBuilder()

    expect(() => builder.table('a', numbers, { historyMs: -1 })).toThrow('CONFIG_INVALID: historyMs of table "a" is -1')
    expect(() => builder.table('b', numbers, { historyMs: 5, changelog: 'source' })).toThrow(
      'TOPOLOGY_INVALID: the history of table "b" cannot be restored from topic "in", which has the latest rows only',
    )
  })
})

describe('behind a versioned table', () => {
  test('a filter sends every tombstone, because it cannot tell what passed at that time', async () => {
    const { driver } = await driven((table) => table.process(filter('even', isEven)))
    await using _ = driver

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 20 })
    await driver.pipe(numbers, { key: 'a', value: 3, timestamp: 30 })

    expect(await outputs(driver)).toEqual(['a=-', 'a=2', 'a=-'])
  })

  test('a count leaves out what comes out of order: it has the newer row', async () => {
    const { driver, dropped } = await driven((table) =>
      table.process(count('per-parity', { by: (value) => (value !== null && isEven(value) ? 'even' : 'odd') })),
    )
    await using _ = driver

    await driver.pipe(numbers, { key: 'a', value: 2, timestamp: 50 }, { key: 'a', value: 1, timestamp: 20 })
    await driver.pipe(numbers, { key: 'a', value: 3, timestamp: 60 })

    expect(await outputs(driver)).toEqual(['even=1', 'even=0', 'odd=1'])
    expect(dropped).toEqual([])
  })

  test('a join of tables drops and counts what comes out of order on that side, not on the other', async () => {
    const { driver, dropped } = await driven((table, builder) =>
      table.process(joinTable('sum', builder.table('others', others), (a, b) => a + b)),
    )
    await using _ = driver

    await driver.pipe(others, { key: 'a', value: 10, timestamp: 50 })
    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 20 })
    await driver.pipe(others, { key: 'a', value: 20, timestamp: 20 })

    expect(await outputs(driver)).toEqual(['a=11', 'a=21'])
    expect(dropped).toEqual(['late'])
  })

  test('an index has the latest rows: what comes out of order is dropped and counted', async () => {
    const index = sqliteIndex({ path: ':memory:' })
    const texts = kafka({ topic: 'texts', key: string, value: string })
    const builder = new TopologyBuilder()
    builder
      .table('texts', texts, { historyMs: 100 })
      .process(filter('shown', (text) => text !== 'hidden'))
      .toStream()
      .process(chunk('chunks', { text: (text: string) => text }))
      .process(diff('changes', { against: index }))
      .process(embed('vectors', hash({ dimensions: 8 })))
      .to('index', index)
    const dropped: string[] = []
    const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(builder.build(), { observer })

    await driver.pipe(texts, { key: 'a', value: 'new', timestamp: 50 }, { key: 'a', value: 'old', timestamp: 20 })
    await driver.pipe(texts, { key: 'a', value: 'hidden', timestamp: 30 }, { key: 'a', value: null, timestamp: 40 })

    expect((await Array.fromAsync(index.scan())).map(({ payload }) => payload.content)).toEqual(['new'])
    expect(dropped).toEqual(['late', 'late', 'late'])
  })

  test('what is held back is not replaced by what comes out of order', async () => {
    const { driver, dropped } = await driven((table) => table.process(suppress('calm', { untilTimeLimitMs: 10 })))
    await using _ = driver

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 45 })
    await driver.pipe(numbers, { key: 'b', value: 3, timestamp: 60 })

    expect(await outputs(driver)).toEqual(['a=1'])
    expect(dropped).toEqual(['late'])
  })

  test.each([
    ['a plain store takes what came last', {}, 'a has 2'],
    ['a store with a history keeps the order', { historyMs: 100 }, 'a has 1'],
  ])('%s', async (_, store, expected) => {
    const { driver } = await driven((table) =>
      table.process(mapValues('text', (value, key) => `${key} has ${value}`, { store })),
    )
    await using __ = driver

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 50 }, { key: 'a', value: 2, timestamp: 20 })

    expect(await outputs(driver)).toEqual(['a="a has 1"', 'a="a has 2"'])
    expect(versionsIn(driver, 'text').get('a')?.value).toBe(expected)
  })
})
