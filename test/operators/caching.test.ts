import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import {
  aggregate,
  count,
  filter,
  joinTable,
  latest,
  mapValues,
  peek,
  reduce,
  suppress,
} from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Stream } from '../../src/topology/stream.ts'
import { one, sent, source, started, target } from '../support/cached-steps.ts'
import { runningIn, settled, topologyTo, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

const joinedWords = reduce<string, string>('joined', (a, b) => `${a} ${b}`, { caching: true })

const counts = (stream: Stream<string, number>): void =>
  stream.process(count('counts', { caching: true })).to('out', target)

describe('a step with caching', () => {
  test('sends the last update of each key, and with the next commit', async () => {
    await using driver = await started(counts)

    await driver.pipe(source, one('a', 1), one('b', 2), one('c', 3), one('a', 4))
    const early = await sent(driver)
    await driver.commit()

    expect(early).toEqual([])
    expect(await sent(driver)).toEqual(['b 1 @2', 'c 1 @3', 'a 2 @4'])
  })

  test('sends nothing with a commit that nothing has happened before', async () => {
    await using driver = await started(counts)
    await driver.pipe(source, one('a', 1))
    await driver.commit()
    await driver.commit()

    expect(await sent(driver)).toEqual(['a 1 @1'])
  })

  test('sends every update without caching, whenever that is committed', async () => {
    await using driver = await started((stream) => stream.process(count('counts')).to('out', target))

    await driver.pipe(source, one('a', 1), one('a', 2))

    expect(await sent(driver)).toEqual(['a 1 @1', 'a 2 @2'])
  })

  test('commits by itself on the commit interval, and when the driver commits always', async () => {
    await using timed = await started(counts, { commitIntervalMs: 100 })
    await using usual = await started(counts, { commit: 'always' })

    await timed.pipe(source, one('a', 1), one('a', 2))
    await timed.advance(100)
    await usual.pipe(source, one('a', 1), one('a', 2))

    expect(await sent(timed)).toEqual(['a 2 @2'])
    expect(await sent(usual)).toEqual(['a 2 @2'])
  })

  test('gives an update the headers of its last record, and a deletion its time', async () => {
    const header = (text: string) => [{ key: 'from', value: Buffer.from(text) }]
    const add = (sum: number, value: number) => (value === 0 ? null : sum + value)
    await using driver = await started((stream) =>
      stream.process(aggregate('sums', { initialize: () => 0, add, caching: true })).to('out', target),
    )

    await driver.pipe(source, { ...one('a', 50), headers: header('first') })
    await driver.pipe(source, { ...one('a', 20), headers: header('second') })
    await driver.commit()
    await driver.pipe(source, one('a', 30, 0))
    await driver.commit()

    const [update, deletion] = await driver.read(target)
    expect(update).toMatchObject({ value: 2, timestamp: 50, headers: header('second') })
    expect(deletion).toMatchObject({ value: null, timestamp: 30 })
  })

  test('does not delete what nobody was told of', async () => {
    await using driver = await started((stream) =>
      stream
        .toTable(latest('rows', { value: msgpack<number>(), caching: true }))
        .toStream()
        .to('out', target),
    )

    await driver.pipe(source, one('told', 1))
    await driver.commit()
    await driver.pipe(source, one('untold', 2), one('untold', 3, null), one('told', 4, null))
    await driver.commit()

    expect(await sent(driver)).toEqual(['told 1 @1', 'told null @4'])
  })
})

describe('steps behind a step with caching', () => {
  test('send with the same commit in the same task, also when they hold updates back themselves', async () => {
    await using driver = await started((stream) =>
      stream
        .toTable(count('counts', { caching: true }))
        .process(mapValues('doubled', (value) => value * 2, { store: { caching: true } }))
        .toStream()
        .to('out', target),
    )

    await driver.pipe(source, one('a', 1), one('a', 2), one('b', 3))
    await driver.commit()

    expect(await sent(driver)).toEqual(['a 4 @2', 'b 2 @3'])
  })

  test('are told what they were told before, not what was held back in between', async () => {
    const kept = { store: { caching: false } }
    await using driver = await started((stream) =>
      stream
        .toTable(latest('rows', { value: msgpack<number>(), caching: true }))
        .process(filter('even', (value) => value % 2 === 0, kept))
        .toStream()
        .to('out', target),
    )

    await driver.pipe(source, one('a', 1, 2))
    await driver.commit()
    await driver.pipe(source, one('a', 2, 3), one('a', 3, 5))
    await driver.commit()
    await driver.pipe(source, one('a', 4, 7), one('a', 5, 9))
    await driver.commit()

    expect(await sent(driver)).toEqual(['a 2 @1', 'a null @3'])
  })

  test('get what went through a repartition topic after their own commit, and send it with the next', async () => {
    await using driver = await started((stream) =>
      stream
        .toTable(latest('rows', { value: msgpack<number>(), caching: true }))
        .process(
          count('per-parity', { by: (value): string => (Number(value) % 2 === 0 ? 'even' : 'odd'), caching: true }),
        )
        .toStream()
        .to('out', target),
    )

    await driver.pipe(source, one('a', 1, 1), one('b', 2, 2), one('a', 3, 3))
    await driver.commit()
    const first = await sent(driver)
    await driver.commit()

    expect(first).toEqual([])
    expect(await sent(driver)).toEqual(['even 1 @2', 'odd 1 @3'])
  })

  test('are reached by a drain, however many commits that takes', async () => {
    await using driver = await started(
      (stream) =>
        stream
          .toTable(latest('rows', { value: msgpack<number>(), caching: true }))
          .process(count('per-value', { by: (value) => `v${value}`, caching: true }))
          .process(count('per-count', { by: (value) => `n${value}`, caching: true }))
          .toStream()
          .to('out', target),
      { commit: 'always' },
    )

    await driver.pipe(source, one('a', 1, 1), one('b', 2, 1), one('c', 3, 2))

    expect(await sent(driver)).toEqual(['n2 1 @2', 'n1 1 @3'])
  })

  test('that fail stop the update that they failed for, and are told which record it came from', async () => {
    const givenUp: unknown[] = []
    await using driver = await started(
      (stream) =>
        stream
          .process(count('counts', { caching: true }))
          .process(
            peek('fails', ({ key }) => {
              if (key === 'b') throw new Error('not b')
            }),
          )
          .to('out', target),
      { observer: { givenUp: ({ node, source, deadLettered }) => givenUp.push([node, source?.offset, deadLettered]) } },
    )

    await driver.pipe(source, one('a', 1), one('b', 2), one('b', 3), one('c', 4))
    await driver.commit()

    expect(await sent(driver)).toEqual(['a 1 @1', 'c 1 @4'])
    expect(givenUp).toEqual([['fails', 2, false]])
  })
})

test('beyond the gate nothing is held back: results there finish in any order', async () => {
  const held = { id: Buffer.from('a'), bytes: 1, before: null, since: () => undefined }
  await using driver = await started((stream) =>
    stream.process<string, number>({
      name: 'beyond',
      operator: 'beyond',
      order: 'key',
      create: () => ({ process: (_, context) => context.hold(held) }),
    }),
  )

  await expect(driver.pipe(source, one('a', 1))).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
})

test('a look-up sees what is held back', async () => {
  const joined = kafkaTopic({ topic: 'joined', key: string, value: string })
  const views = kafka({ topic: 'views', key: string, value: msgpack<number>() })
  await using driver = await started((stream, builder) => {
    const table = stream.toTable(count('counts', { caching: true }))
    builder
      .stream('views', views)
      .process(joinTable('with-count', table, (view, known) => `${view}|${known}`))
      .to('out', joined)
  })

  await driver.pipe(source, one('a', 1), one('a', 2))
  await driver.pipe(views, one('a', 3, 7))

  expect(await sent(driver, joined)).toEqual(['a 7|2 @3'])
})

describe('the bound', () => {
  test('lets updates go before a commit: 0 after every record', async () => {
    await using driver = await started(counts, { cacheMaxBytes: 0 })

    await driver.pipe(source, one('a', 1), one('a', 2), one('b', 3))

    expect(await sent(driver)).toEqual(['a 1 @1', 'a 2 @2', 'b 1 @3'])
  })

  test('counts keys, old and new values; what goes over it goes out with all that its task holds', async () => {
    await using driver = await started(counts, { cacheMaxBytes: 1_000 })

    // Each takes about 260 bytes: the fourth is too much.
    await driver.pipe(source, one('a', 1), one('b', 2), one('c', 3), one('a', 4), one('d', 5), one('e', 6))
    const early = await sent(driver)
    await driver.commit()

    expect(early).toEqual(['b 1 @2', 'c 1 @3', 'a 2 @4', 'd 1 @5'])
    expect(await sent(driver)).toEqual(['e 1 @6'])
  })

  test('is shared by all tasks', async () => {
    await using driver = await started(counts, { partitions: 4, cacheMaxBytes: 1_000 })
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

    await driver.pipe(source, ...keys.map((key, at) => one(key, at)))

    const early = (await sent(driver)).length
    expect(early).toBeGreaterThan(0)
    expect(early).toBeLessThan(keys.length)
  })

  test('is given back by a task that is lost', async () => {
    const sink = new RecordingSink()
    await using group = await ScriptedGroup.open()
    const topology = topologyTo(sink, (stream) => stream.process(joinedWords))
    const instance = await runningIn(group, { topology, commitIntervalMs: 1_000_000, cacheMaxBytes: 500 })
    await group.assign(0)
    await group.write(0, 'one')
    await settled()

    await group.lose()
    await group.assign(0)
    await until(group.clock, () => instance.tasks[0]?.running === true)
    await settled()

    // With what the task before had held it would be too much, and go out.
    expect(sink.written).toEqual([])
    await instance.close()
  })
})

describe('the end of a task', () => {
  test.each(['at_least_once', 'exactly_once'] as const)(
    'by a crash loses nothing that was held back: %s',
    async (guarantee) => {
      await using driver = await started(counts, { processingGuarantee: guarantee })
      await driver.pipe(source, one('a', 1), one('b', 2))
      await driver.commit()
      await driver.pipe(source, one('a', 3), one('c', 4))

      await driver.crashAndRestart()
      const before = await sent(driver)
      await driver.commit()

      expect(before).toEqual(['a 1 @1', 'b 1 @2'])
      expect(await sent(driver)).toEqual(['a 2 @3', 'c 1 @4'])
    },
  )

  test('by a crash between what is sent and its commit leaves nothing behind: the deletion goes out', async () => {
    const sink = new RecordingSink()
    const words = kafka({ topic: 'in', key: string, value: string })
    const rows = latest<string, string>('rows', { caching: true })
    const topology = topologyTo(sink, (stream) => stream.toTable(rows).toStream())
    await using driver = await TopologyTestDriver.start(topology, { commit: 'manual' })
    await driver.pipe(words, { key: 'a', value: 'one' })

    const committing = driver.commit().catch(() => undefined)
    await driver.crash()
    await committing
    await driver.pipe(words, { key: 'a', value: null })
    await driver.restart()
    await driver.commit()

    // For the store the row has come and gone between two commits; the sink has it.
    expect(sink.written).toEqual(['0_0 one', '0_0 null'])
  })

  test('by a close ends, too, when what is held back stops the runtime', async () => {
    const rows = latest<string, number>('rows', { caching: true })
    const calm = suppress<string, number>('calm', { untilTimeLimitMs: 10_000, maxRecords: 1, whenFull: 'shut-down' })
    const driver = await started((stream) => stream.toTable(rows).process(calm).toStream().to('out', target))
    await driver.pipe(source, one('a', 0), one('b', 0))

    await expect(driver[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'BUFFER_FULL' })
  })

  test('by a close sends what is held back', async () => {
    const sink = new RecordingSink()
    const words = kafka({ topic: 'in', key: string, value: string })
    const topology = topologyTo(sink, (stream) => stream.process(joinedWords))
    const driver = await TopologyTestDriver.start(topology, { commit: 'manual' })
    await driver.pipe(words, { key: 'a', value: 'one' }, { key: 'a', value: 'two' })
    const before = [...sink.written]

    await driver[Symbol.asyncDispose]()

    expect(before).toEqual([])
    expect(sink.written).toEqual(['0_0 one two'])
  })
})

test.each([
  ['restored from its topic', { changelog: 'source', caching: true }, 'may forget in a restart what it has sent'],
  ['versioned', { historyMs: 1_000, caching: true }, 'sends changes out of order'],
] as const)('a table that is %s holds nothing back', (_, options, why) => {
  expect(() => new TopologyBuilder().table('rows', source, options)).toThrow(why)
})
