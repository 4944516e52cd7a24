import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { aggregate, joinTable, suppress, type UntilTimeLimit } from '../../../src/operators/index.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'

const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const other = kafka({ topic: 'other', key: string, value: msgpack<number>() })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() })

function start(options: UntilTimeLimit<string, number>, settings: object = {}): Promise<TopologyTestDriver> {
  const builder = new TopologyBuilder()
  builder.table('rows', source).process(suppress('calm', options)).toStream().to('out', target)
  return TopologyTestDriver.start(builder.build(), settings)
}

async function sent(driver: TopologyTestDriver): Promise<unknown[]> {
  return (await driver.read(target)).map(({ key, value, timestamp }) => [key, value, timestamp])
}

describe('suppress until a time limit', () => {
  test('sends the last update of a key when the first has waited for so long', async () => {
    await using driver = await start({ untilTimeLimitMs: 100 })
    const headers = [{ key: 'trace', value: Buffer.from('7') }]
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 0 })
    await driver.pipe(source, { key: 'a', value: 2, timestamp: 90, headers })
    await driver.pipe(source, { key: 'b', value: 3, timestamp: 99 })
    expect(await sent(driver)).toEqual([])

    await driver.pipe(source, { key: 'b', value: 4, timestamp: 100 })

    expect(await driver.read(target)).toEqual([{ key: 'a', value: 2, timestamp: 90, headers }])
  })

  test('holds a stream back as it does a table, and drops what has no key', async () => {
    const builder = new TopologyBuilder()
    builder
      .stream('in', source)
      .process(suppress('calm', { untilTimeLimitMs: 100, storage: 'memory' }))
      .to('out', target)
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(source, { key: 'a', value: 1, timestamp: 0 }, { key: 'a', value: null, timestamp: 50 })
    await driver.pipe(source, { key: null, value: 1, timestamp: 900 })
    await driver.pipe(source, { key: 'b', value: 1, timestamp: 100 })

    expect(await sent(driver)).toEqual([['a', null, 50]])
  })

  test('what is too much in records goes out early, that which has waited longest first', async () => {
    await using driver = await start({ untilTimeLimitMs: 10_000, maxRecords: 2 })
    for (const [index, key] of ['a', 'b', 'a', 'c', 'd'].entries())
      await driver.pipe(source, { key, value: index, timestamp: index })

    expect(await sent(driver)).toEqual([
      ['a', 2, 2],
      ['b', 1, 1],
    ])
  })

  test('what is too much in bytes goes out early', async () => {
    const text = kafka({ topic: 'in', key: string, value: msgpack<string>() })
    const out = kafkaTopic({ topic: 'out', key: string, value: msgpack<string>() })
    const builder = new TopologyBuilder()
    const calm = suppress<string, string>('calm', { untilTimeLimitMs: 10_000, maxBytes: 1_000 })
    builder.table('rows', text).process(calm).toStream().to('out', out)
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(text, { key: 'a', value: 'x'.repeat(900), timestamp: 0 })
    await driver.pipe(text, { key: 'a', value: 'short', timestamp: 1 })
    await driver.pipe(text, { key: 'b', value: 'x'.repeat(900), timestamp: 2 })
    const fits = await driver.read(out)
    await driver.pipe(text, { key: 'c', value: 'x'.repeat(100), timestamp: 3 })

    expect(fits).toEqual([])
    expect((await driver.read(out)).map(({ key }) => key)).toEqual(['a', 'b'])
  })

  test('a buffer that may not emit early stops the runtime when it is full, also when most of it came before a restart', async () => {
    await using driver = await start({ untilTimeLimitMs: 10_000, maxRecords: 2, whenFull: 'shut-down' })
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 0 }, { key: 'b', value: 1, timestamp: 0 })
    await driver.crashAndRestart()

    await expect(driver.pipe(source, { key: 'c', value: 1, timestamp: 0 })).rejects.toMatchObject({
      code: 'BUFFER_FULL',
      fact: 'step "calm" is full: 3 records wait, and 2 may',
    })
    expect(await sent(driver)).toEqual([])
  })

  test('remembers the time when nothing waits, over a restart', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'millrace-suppress-'))
    const onDisk = { stateInMemory: false, stateDirectory: folder.path }
    await using driver = await start({ untilTimeLimitMs: 100 }, onDisk)
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 0 }, { key: 'b', value: 1, timestamp: 5_000 })
    await driver.pipe(source, { key: 'b', value: null, timestamp: 5_100 })
    await driver.crashAndRestart()

    await driver.pipe(source, { key: 'a', value: 2, timestamp: 4_000 })

    expect(await sent(driver)).toEqual([
      ['a', 1, 0],
      ['b', null, 5_100],
      ['a', 2, 4_000],
    ])
  })

  test('steps behind it know the rows that have gone out, not those that wait', async () => {
    const builder = new TopologyBuilder()
    const calm = builder.table('rows', source).process(suppress('calm', { untilTimeLimitMs: 100 }))
    const total = aggregate('total', {
      by: () => 'all',
      initialize: () => 0,
      add: (sum, value: number) => sum + value,
      subtract: (sum, value) => sum - value,
    })
    calm.process(total).toStream().to('out', target)
    const pairs = kafkaTopic({ topic: 'pairs', key: string, value: string })
    builder
      .table('others', other)
      .process(joinTable('pairs', calm, (mine, row) => `${mine}|${row}`))
      .toStream()
      .to('pairs-out', pairs)
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(source, { key: 'a', value: 1, timestamp: 0 }, { key: 'z', value: 10, timestamp: 100 })
    await driver.pipe(source, { key: 'a', value: 2, timestamp: 110 }, { key: 'a', value: 3, timestamp: 120 })
    await driver.pipe(other, { key: 'a', value: 7, timestamp: 130 })
    await driver.pipe(source, { key: 'y', value: 20, timestamp: 500 })

    expect((await driver.read(target)).map(({ value }) => value)).toEqual([1, 11, 13])
    expect((await driver.read(pairs)).map(({ value, timestamp }) => [value, timestamp])).toEqual([
      ['7|1', 130],
      ['7|3', 130],
    ])
  })

  test.each([
    [{ untilTimeLimitMs: -1 }, 'untilTimeLimitMs of step "calm" is -1'],
    [{ untilTimeLimitMs: Number.NaN }, 'untilTimeLimitMs of step "calm" is NaN'],
    [{ untilTimeLimitMs: 1, maxRecords: 0 }, 'maxRecords of step "calm" is 0'],
    [{ untilTimeLimitMs: 1, maxBytes: 0 }, 'maxBytes of step "calm" is 0'],
  ])('%o is refused', (options, fact) => {
    expect(() => suppress('calm', options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', fact }))
  })
})
