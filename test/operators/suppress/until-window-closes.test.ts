import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { aggregate, count, suppress, tumbling } from '../../../src/operators/index.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { timeWindowed } from '../../../src/windowed.ts'

const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const target = kafkaTopic({ topic: 'out', key: timeWindowed(string, 100), value: msgpack<number>() })

function start(bounds: { readonly maxRecords?: number } = {}): Promise<TopologyTestDriver> {
  const window = tumbling({ sizeMs: 100, graceMs: 50 })
  const builder = new TopologyBuilder()
  builder
    .stream('in', source)
    .process(count('counts', { window }))
    .process(suppress('final', { untilWindowCloses: window, ...bounds }))
    .to('out', target)
  return TopologyTestDriver.start(builder.build())
}

async function results(driver: TopologyTestDriver): Promise<unknown[]> {
  return (await driver.read(target)).map(({ key, value }) => [key.key, key.window.startMs, value])
}

describe('suppress', () => {
  test('sends one result a window, with the first record that comes after its end and grace', async () => {
    await using driver = await start()
    const at = (timestamp: number, key = 'a') => driver.pipe(source, { key, value: 1, timestamp })

    await at(10)
    await at(149)
    await at(20)
    const before = await results(driver)
    await at(150, 'b')

    expect(before).toEqual([])
    expect(await results(driver)).toEqual([['a', 0, 2]])
  })

  test('windows that wait survive a restart, and go out once', async () => {
    await using driver = await start()
    const headers = [{ key: 'trace', value: Buffer.from('7') }]
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 10 }, { key: 'b', value: 1, timestamp: 5, headers })

    await driver.crashAndRestart()
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 400 })
    await driver.crashAndRestart()
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 401 })

    const sent = await driver.read(target)
    expect(sent.map(({ key, value, timestamp }) => [key.key, value, timestamp])).toEqual([
      ['a', 1, 10],
      ['b', 1, 5],
    ])
    expect(sent[1]?.headers).toEqual(headers)
  })

  test('leaves out a window that has become nothing, which moves the time as others do', async () => {
    const window = tumbling({ sizeMs: 100 })
    const builder = new TopologyBuilder()
    builder
      .stream('in', source)
      .process(aggregate('sums', { window, initialize: () => 0, add: (sum, value) => (value === 0 ? null : sum + 1) }))
      .process(suppress('final', { untilWindowCloses: window }))
      .to('out', target)
    await using driver = await TopologyTestDriver.start(builder.build())
    const at = (timestamp: number, key: string, value = 1) => driver.pipe(source, { key, value, timestamp })

    await at(10, 'a')
    await at(20, 'b')
    await at(30, 'b', 0)
    const before = await results(driver)
    await at(100, 'c', 0)

    expect(before).toEqual([])
    expect(await results(driver)).toEqual([['a', 0, 1]])
  })

  test('stops the runtime when more windows wait than may: none goes out early', async () => {
    await using driver = await start({ maxRecords: 2 })
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 10 }, { key: 'b', value: 1, timestamp: 10 })

    await expect(driver.pipe(source, { key: 'c', value: 1, timestamp: 10 })).rejects.toMatchObject({
      code: 'BUFFER_FULL',
      fact: 'step "final" is full: 3 records wait, and 2 may',
    })
    expect(await results(driver)).toEqual([])
  })
})
