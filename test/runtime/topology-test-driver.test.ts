import { readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { filter } from '../../src/operators/filter.ts'
import { mapValues } from '../../src/operators/map-values.ts'
import { merge } from '../../src/operators/merge.ts'
import { json, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { TimestampExtractor } from '../../src/topology/source.ts'
import { skipInvalidTimestamp, usePartitionTime } from '../../src/topology/timestamps.ts'
import { plainTopologyTo } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const View = z.object({ page: z.string(), bot: z.boolean() })
const views = kafka({ topic: 'views', key: string, value: json(View) })
const pages = kafkaTopic({ topic: 'pages', key: string, value: string })

function viewsTopology() {
  const builder = new TopologyBuilder()
  builder
    .stream('views', views)
    .process(dedupe('unchanged'))
    .process(filter('humans', (view) => !view.bot))
    .process(mapValues('page', (view) => view.page))
    .to('pages', pages)
  return builder.build()
}

const left = kafka({ topic: 'left', key: string, value: string })
const right = kafka({ topic: 'right', key: string, value: string })
const merged = kafkaTopic({ topic: 'merged', key: string, value: string })

function mergedTopology() {
  const builder = new TopologyBuilder()
  builder
    .stream('left', left)
    .process(merge('both', builder.stream('right', right)))
    .to('merged', merged)
  return builder.build()
}

describe('the test driver', () => {
  test('a record runs through the topology and comes out of its target', async () => {
    await using driver = await TopologyTestDriver.start(viewsTopology())

    await driver.pipe(views, { key: 'a', value: { page: '/one', bot: false }, timestamp: 5 })

    expect(await driver.read(pages)).toEqual([{ key: 'a', value: '/one', timestamp: 5, headers: [] }])
  })

  test('a record that a filter rejects, and one that did not change, are dropped', async () => {
    await using driver = await TopologyTestDriver.start(viewsTopology())

    await driver.pipe(views, { key: 'a', value: { page: '/one', bot: true } })
    await driver.pipe(views, { key: 'b', value: { page: '/two', bot: false } })
    await driver.pipe(views, { key: 'b', value: { page: '/two', bot: false } })

    expect((await driver.read(pages)).map((record) => record.value)).toEqual(['/two'])
  })

  test('state survives a crash: a repeated record is still known', async () => {
    await using driver = await TopologyTestDriver.start(viewsTopology())
    await driver.pipe(views, { key: 'a', value: { page: '/one', bot: false } })

    await driver.crashAndRestart()
    // The recovery window lets the first record of a key pass; it closes when the log end is reached.
    await driver.advance(2_000)
    await driver.pipe(views, { key: 'a', value: { page: '/one', bot: false } })

    expect((await driver.read(pages)).map((record) => record.value)).toEqual(['/one'])
  })

  test('stores may lie on disk, where a restart finds them', async () => {
    await using folder = await temporaryDirectory()
    const restored: number[] = []
    await using driver = await TopologyTestDriver.start(viewsTopology(), {
      stateInMemory: false,
      stateDirectory: folder.path,
      observer: { restored: ({ records }) => restored.push(records) },
    })
    await driver.pipe(views, { key: 'a', value: { page: '/one', bot: false } })

    await driver.crashAndRestart()

    expect(await readdir(folder.path)).not.toEqual([])
    expect(restored).toEqual([0, 0])
  })

  test('a record that cannot be read becomes a dead letter and the next one goes on', async () => {
    const raw = kafka({ topic: 'views', key: string, value: string })
    await using driver = await TopologyTestDriver.start(viewsTopology())

    await driver.pipe(raw, { key: 'a', value: '{broken' }, { key: 'b', value: '{"page":"/two","bot":false}' })

    const letters = await driver.read(kafka({ topic: 'test-dead-letter', key: string, value: string }))
    expect(letters).toHaveLength(1)
    expect(letters[0]?.value).toBe('{broken')
    expect((await driver.read(pages)).map((record) => record.value)).toEqual(['/two'])
  })

  test('a crash before a target with a lease costs no wait: the driver turns the clock past it', async () => {
    const words = kafka({ topic: 'in', key: string, value: string })
    const sink = new RecordingSink({ requestTimeoutMs: 10_000 })
    await using driver = await TopologyTestDriver.start(plainTopologyTo(sink))
    await driver.pipe(words, { key: 'a', value: 'one' })

    await driver.crashAndRestart()
    await driver.pipe(words, { key: 'a', value: 'two' })

    expect(sink.written.map((line) => line.split(' ').at(-1))).toContain('two')
    expect(driver.clock.now()).toBeGreaterThanOrEqual(10_000)
  })

  test('of topics that have records at the same time the one with the smallest timestamp is taken first', async () => {
    await using driver = await TopologyTestDriver.start(mergedTopology())
    await driver.enqueue(
      left,
      { key: 'k', value: 'left 30', timestamp: 30 },
      { key: 'k', value: 'left 10', timestamp: 10 },
    )
    await driver.enqueue(right, { key: 'k', value: 'right 20', timestamp: 20 })
    expect(await driver.read(merged)).toEqual([])

    await driver.settle()

    expect((await driver.read(merged)).map(({ value }) => value)).toEqual(['right 20', 'left 30', 'left 10'])
  })

  test('with maxTaskIdleMs records wait for the other topic, and no longer than that', async () => {
    await using driver = await TopologyTestDriver.start(mergedTopology(), { maxTaskIdleMs: 100 })
    await driver.pipe(left, { key: 'k', value: 'left 30', timestamp: 30 })
    expect(await driver.read(merged)).toEqual([])

    await driver.pipe(right, { key: 'k', value: 'right 20', timestamp: 20 })
    expect((await driver.read(merged)).map(({ value }) => value)).toEqual(['right 20'])

    await driver.advance(100)
    expect((await driver.read(merged)).map(({ value }) => value)).toEqual(['left 30'])
  })

  test('records that wait for the other topic are still there after a crash', async () => {
    await using driver = await TopologyTestDriver.start(mergedTopology(), { maxTaskIdleMs: 100 })
    await driver.pipe(left, { key: 'k', value: 'left 30', timestamp: 30 })

    await driver.crashAndRestart()
    await driver.pipe(right, { key: 'k', value: 'right 40', timestamp: 40 })
    await driver.advance(100)

    expect((await driver.read(merged)).map(({ value }) => value)).toEqual(['left 30', 'right 40'])
  })

  test('takes negative timestamps, as old topics have them, for extractors to repair or to skip', async () => {
    const dropped: string[] = []
    const observer = { dropped: (_: string, reason: string) => void dropped.push(reason) }
    const timesWith = async (timestamp: TimestampExtractor<string, string>) => {
      const old = kafka({ topic: 'old', key: string, value: string, timestamp })
      const builder = new TopologyBuilder()
      builder.stream('old', old).to('pages', pages)
      await using driver = await TopologyTestDriver.start(builder.build(), { observer })
      await driver.pipe(old, { key: 'a', value: 'one', timestamp: 50 }, { key: 'a', value: 'two', timestamp: -1 })
      return (await driver.read(pages)).map((record) => record.timestamp)
    }

    expect(await timesWith(usePartitionTime)).toEqual([50, 50])
    expect(dropped).toEqual([])
    expect(await timesWith(skipInvalidTimestamp)).toEqual([50])
    expect(dropped).toEqual(['timestamp'])
  })

  test('a negative timestamp that no extractor looks at is fatal', async () => {
    await using driver = await TopologyTestDriver.start(viewsTopology())

    const piped = driver.pipe(views, { key: 'a', value: { page: '/one', bot: false }, timestamp: -1 })

    await expect(piped).rejects.toMatchObject({ code: 'TIMESTAMP_INVALID' })
  })

  test('says of a topic that the topology does not read which ones it does', async () => {
    await using driver = await TopologyTestDriver.start(mergedTopology())

    const refusal = {
      code: 'TOPIC_MISSING',
      fact: 'the topology of this driver does not read topic "views"',
      fix: 'Write to one that it reads: "left", "right".',
    }
    await expect(driver.pipe(views, { key: 'a', value: null })).rejects.toMatchObject(refusal)
    await expect(driver.enqueue(views, { key: 'a', value: null })).rejects.toMatchObject(refusal)
  })
})
