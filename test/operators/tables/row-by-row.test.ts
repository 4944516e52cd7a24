import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { filter, latest, mapValues } from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Table } from '../../../src/topology/stream.ts'
import { output, outputs } from '../../support/drive.ts'

const numbers = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const questions = kafka({ topic: 'questions', key: string, value: string })
const answers = kafkaTopic({ topic: 'answers', key: string, value: msgpack<unknown>() })

function isEven(value: number): boolean {
  return value % 2 === 0
}

/** Sends the changes of a table to `out`, and answers each question with the row of its key. */
async function driven(derive: (table: Table<string, number>) => Table<string, unknown>) {
  const builder = new TopologyBuilder()
  const table = derive(builder.table('numbers', numbers))
  table.toStream().to('out', output)
  builder
    .stream('questions', questions)
    .process({
      name: 'look-up',
      operator: 'look-up',
      stores: table.stores,
      create: () => ({
        process: (record, context) => context.forward({ ...record, value: table.get(record.key, context) ?? 'none' }),
      }),
    })
    .to('answers', answers)
  return TopologyTestDriver.start(builder.build())
}

async function answer(driver: TopologyTestDriver, key: string): Promise<unknown> {
  await driver.pipe(questions, { key, value: 'what is it?' })
  return (await driver.read(answers))[0]?.value
}

describe('a table', () => {
  test('has the value that came last, with its time, even when that is an earlier one', async () => {
    await using driver = await driven((table) => table)

    await driver.pipe(numbers, { key: 'a', value: 1, timestamp: 20 }, { key: 'a', value: 2, timestamp: 10 })

    expect(await answer(driver, 'a')).toEqual({ value: 2, timestamp: 10 })
    expect(await answer(driver, 'b')).toBe('none')
  })

  test('is one stream however often it is asked for', () => {
    const table = new TopologyBuilder().table('numbers', numbers)

    expect(table.toStream()).toBe(table.toStream())
  })

  test('made of a stream drops records without a key', async () => {
    const builder = new TopologyBuilder()
    const source = kafka({ topic: 'in', key: nullable(string), value: msgpack<number>() })
    builder
      .stream('in', source)
      .toTable(latest('numbers'))
      .toStream()
      .to('out', kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() }))
    const dropped: string[] = []
    const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(builder.build(), { observer })

    await driver.pipe(source, { key: null, value: 1 }, { key: 'a', value: 2 })

    expect(await outputs(driver)).toEqual(['a=2'])
    expect(dropped).toEqual(['null_key'])
  })
})

describe('a filtered table', () => {
  test('has a tombstone only for what passed before', async () => {
    await using driver = await driven((table) => table.process(filter('even', isEven)))

    await driver.pipe(numbers, { key: 'a', value: 1 }, { key: 'a', value: 2 }, { key: 'a', value: 3 })
    await driver.pipe(numbers, { key: 'a', value: null }, { key: 'b', value: null })

    expect(await outputs(driver)).toEqual(['a=2', 'a=-'])
  })

  test('still knows after a crash what passed before', async () => {
    await using driver = await driven((table) => table.process(filter('even', isEven)))
    await driver.pipe(numbers, { key: 'a', value: 2 }, { key: 'b', value: 1 })

    await driver.crashAndRestart()
    await driver.pipe(numbers, { key: 'a', value: 3 }, { key: 'b', value: 5 })

    expect(await outputs(driver)).toEqual(['a=2', 'a=-'])
  })

  test.each([
    ['keeps nothing and looks at the table before it', undefined],
    ['keeps its rows when asked to', {}],
  ])('%s', async (_, store) => {
    await using driver = await driven((table) =>
      table.process(store ? filter('even', isEven, { store }) : filter('even', isEven)),
    )

    await driver.pipe(numbers, { key: 'a', value: 2, timestamp: 7 }, { key: 'b', value: 3 })

    expect(await answer(driver, 'a')).toEqual({ value: 2, timestamp: 7 })
    expect(await answer(driver, 'b')).toBe('none')
  })

  test('makes a store only when asked to', () => {
    const builder = new TopologyBuilder()
    const table = builder.table('numbers', numbers)
    const passing = table.process(filter('even', isEven))
    const kept = table.process(filter('odd', (value) => !isEven(value), { store: { storage: 'memory' } }))

    expect([passing.stores, kept.stores]).toEqual([['numbers'], ['odd']])
    expect([...builder.build().stores.keys()]).toEqual(['numbers', 'odd'])
  })
})

describe('a mapped table', () => {
  test('sends every change, and null in place of a value as a deletion', async () => {
    await using driver = await driven((table) =>
      table.process(mapValues('tenth', (value) => (value < 10 ? null : value / 10))),
    )

    await driver.pipe(numbers, { key: 'a', value: 20 }, { key: 'a', value: 5 }, { key: 'a', value: null })

    expect(await outputs(driver)).toEqual(['a=2', 'a=-', 'a=-'])
    expect(await answer(driver, 'a')).toBe('none')
  })

  test('is looked up through all steps', async () => {
    await using driver = await driven((table) =>
      table
        .process(mapValues('double', (value) => value * 2))
        .process(filter('large', (value, key) => value > 10 && key !== 'c'))
        .process(mapValues('text', (value, key) => `${key} has ${value}`)),
    )

    await driver.pipe(numbers, { key: 'a', value: 4 }, { key: 'b', value: 6, timestamp: 3 }, { key: 'c', value: 6 })

    expect(await answer(driver, 'a')).toBe('none')
    expect(await answer(driver, 'b')).toEqual({ value: 'b has 12', timestamp: 3 })
    expect(await answer(driver, 'c')).toBe('none')
  })
})
