import { describe, expect, test } from 'vitest'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { filter, filterNot } from '../../src/operators/filter.ts'
import { flatMap, map, selectKey } from '../../src/operators/map.ts'
import { flatMapValues, mapValues } from '../../src/operators/map-values.ts'
import { merge } from '../../src/operators/merge.ts'
import { peek } from '../../src/operators/peek.ts'
import { repartition } from '../../src/operators/repartition.ts'
import { msgpack, string } from '../../src/serde.ts'
import { drive, input, outputs } from '../support/drive.ts'
import { FakeContext, recordOf } from '../support/fake-context.ts'

describe('filter', () => {
  test('keeps what passes and lets tombstones pass', async () => {
    await using driver = await drive<number>((stream) => stream.process(filter('even', (value) => value % 2 === 0)))

    await driver.pipe(input, { key: 'a', value: 1 }, { key: 'b', value: 2 }, { key: 'c', value: null })

    expect(await outputs(driver)).toEqual(['b=2', 'c=-'])
  })

  test('filterNot keeps the others', async () => {
    await using driver = await drive<number>((stream) => stream.process(filterNot('odd', (value) => value % 2 === 0)))

    await driver.pipe(input, { key: 'a', value: 1 }, { key: 'b', value: 2 })

    expect(await outputs(driver)).toEqual(['a=1'])
  })
})

describe('mapping', () => {
  test('mapValues changes values and leaves keys and tombstones alone', async () => {
    await using driver = await drive<number>((stream) => stream.process(mapValues('double', (value) => value * 2)))

    await driver.pipe(input, { key: 'a', value: 4 }, { key: 'a', value: null })

    expect(await outputs(driver)).toEqual(['a=8', 'a=-'])
  })

  test('flatMapValues makes any number of values of one', async () => {
    await using driver = await drive<string>((stream) =>
      stream.process(flatMapValues('words', (text) => text.split(' '))),
    )

    await driver.pipe(input, { key: 'a', value: 'two words' })

    expect(await outputs(driver)).toEqual(['a="two"', 'a="words"'])
  })

  test('flatMapValues without a value drops the record, and deletes the document where the stream ends in an index', () => {
    const words = flatMapValues<string, string, string>('words', (text) => text.split(' ').filter(Boolean)).create()
    const context = new FakeContext<string, string>()

    void words.process(recordOf('a', ''), context)
    void words.process(recordOf<string, string>('b', null), context)
    context.maintainsIndex = false
    void words.process(recordOf('c', ''), context)
    void words.process(recordOf<string, string>('d', null), context)

    expect(context.take().map(({ key, value }) => [key, value])).toEqual([
      ['a', null],
      ['b', null],
      ['d', null],
    ])
  })

  test('map and flatMap see tombstones, because only they know the key to delete', async () => {
    await using driver = await drive<number>((stream) =>
      stream
        .process(map('prefix', (key, value) => [`p-${key}`, value]))
        .process(flatMap('twice', (key, value) => [[`${key}-1`, value] as const, [`${key}-2`, value] as const])),
    )

    await driver.pipe(input, { key: 'a', value: null })

    expect(await outputs(driver)).toEqual(['p-a-1=-', 'p-a-2=-'])
  })

  test('selectKey changes the key and nothing else', async () => {
    await using driver = await drive<{ author: string }>((stream) =>
      stream.process(selectKey('by-author', (value, key) => value?.author ?? key)),
    )

    await driver.pipe(input, { key: 'a', value: { author: 'me' }, timestamp: 77 })

    expect(await outputs(driver)).toEqual(['me={"author":"me"}'])
  })
})

describe('the other stateless steps', () => {
  test('peek shows every record and passes it on', async () => {
    const seen: unknown[] = []
    await using driver = await drive<number>((stream) =>
      stream.process(peek('look', (record) => seen.push(record.value))),
    )

    await driver.pipe(input, { key: 'a', value: 1 }, { key: 'b', value: null })

    expect(seen).toEqual([1, null])
    expect(await outputs(driver)).toEqual(['a=1', 'b=-'])
  })

  test('merge joins two streams', async () => {
    const other = kafka({ topic: 'other', key: string, value: msgpack<unknown>() })
    await using driver = await drive((stream, builder) => stream.process(merge('both', builder.stream('other', other))))

    await driver.pipe(input, { key: 'a', value: 1 })
    await driver.pipe(other, { key: 'b', value: 2 })

    expect(await outputs(driver)).toEqual(['a=1', 'b=2'])
  })

  test('repartition brings equal keys to one partition through a topic of the application', async () => {
    await using driver = await drive<string>(
      (stream) =>
        stream
          .process(selectKey('by-value', (value, key) => value ?? key))
          .process(repartition('regroup', { key: string, value: msgpack<unknown>() })),
      { partitions: 3 },
    )

    await driver.pipe(input, { key: 'a', value: 'x' }, { key: 'b', value: 'x' }, { key: 'c', value: 'x' })

    expect(await outputs(driver)).toEqual(['x="x"', 'x="x"', 'x="x"'])
    const internal = await driver.read(
      kafka({ topic: 'test-regroup-repartition', key: string, value: msgpack<unknown>() }),
    )
    expect(internal).toHaveLength(3)
  })
})
