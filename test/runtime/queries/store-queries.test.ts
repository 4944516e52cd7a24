import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, suppress, tumbling } from '../../../src/operators/index.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { ChangelogDelay } from '../../../src/runtime/copies/changelog-delay.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { string } from '../../../src/serde.ts'
import { timestampedKeyValueStore } from '../../../src/state/store-specs.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { countedTopics, countingInstance, writeAll } from '../../support/counting-instance.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 10 })

async function openLog(partitions: number): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics(countedTopics.map((topic) => ({ topic, partitions })))
  return broker
}

/** A key of each partition. */
function keysOf(partitions: number): string[] {
  const all = Array.from({ length: 200 }, (_, index) => `key ${index}`)
  return Array.from({ length: partitions }, (_, partition) => {
    return all.find((key) => partitionFor(Buffer.from(key), partitions) === partition) ?? ''
  })
}

describe('queries of one instance', () => {
  test('do not offer the buffer of a suppress, whose rows say something to that step only', async () => {
    await using broker = await openLog(1)
    const second = tumbling({ sizeMs: 1_000 })
    const builder = new TopologyBuilder()
    builder
      .stream('in', kafka({ topic: 'in', key: string, value: string }))
      .process(count('counts', { window: second }))
      .process(suppress('final', { untilWindowCloses: second }))
    await broker.createTopics([{ topic: 'in', partitions: 1 }])
    await using runtime = new StreamRuntime({
      topology: builder.build(),
      broker,
      application: 'app',
      stateInMemory: true,
    })
    await runtime.start()
    await runtime.drain()
    const { queries } = runtime

    expect(queries.stores.map(({ name }) => name)).toEqual(['counts'])
    expect(queries.copies.map(({ store }) => store)).toEqual(['counts'])
    await expect(Array.fromAsync(queries.entries('final'))).rejects.toMatchObject({
      code: 'STORE_UNKNOWN',
      fact: 'store "final" can be read by its step only',
    })
  })

  test('find what is in stores of each kind, by key, by prefix and by time', async () => {
    await using broker = await openLog(1)
    await using runtime = countingInstance({ broker, stateInMemory: true })
    await runtime.start()
    await writeAll(broker, [
      { key: 'a', timestamp: 100 },
      { key: 'a', timestamp: 1_200 },
      { key: 'ab', value: 'x', timestamp: 1_300 },
      { topic: 'rows', key: 'r', value: 'one', timestamp: 100 },
      { topic: 'rows', key: 'r', value: 'two', timestamp: 200 },
      { topic: 'countries', key: 'ch', value: 'Switzerland', timestamp: 5 },
    ])
    await runtime.drain()
    const { queries } = runtime

    const count = await queries.get('counts', 'a')
    const none = await queries.get('counts', 'nobody')
    const windows = await Array.fromAsync(queries.entries('per-second', { key: 'a' }))
    const oneWindow = await queries.get('per-second', 'a', { atMs: 1_000 })
    const begun = await Array.fromAsync(queries.entries('last', { prefix: 'a' }))
    const asOf = await queries.get('versions', 'r', { atMs: 150 })
    const newest = await queries.get('versions', 'r')
    const country = await queries.get('countries', 'ch')

    expect(count).toEqual({ key: 'a', value: 2, timestamp: 1_200 })
    expect(none).toBeUndefined()
    expect(windows).toEqual([
      { key: 'a', value: 1, timestamp: 100, startMs: 0 },
      { key: 'a', value: 1, timestamp: 1_200, startMs: 1_000 },
    ])
    expect(oneWindow).toEqual(windows[1])
    expect(begun.map(({ key, value }) => [key, value])).toEqual([
      ['a', ''],
      ['ab', 'x'],
    ])
    expect(asOf).toMatchObject({ value: 'one', timestamp: 100, untilMs: 200 })
    expect(newest).toEqual({ key: 'r', value: 'two', timestamp: 200 })
    expect(country).toEqual({ key: 'ch', value: 'Switzerland', timestamp: 5 })
    expect(new Set(queries.copies.map(({ role }) => role))).toEqual(new Set(['active', 'global']))
  })

  test('read what is not committed yet', async () => {
    await using broker = await openLog(1)
    const runtime = countingInstance({ broker, stateInMemory: true, commitIntervalMs: 600_000 })
    await runtime.start()
    await writeAll(broker, [{ key: 'a' }])

    await eventually(async () => expect((await runtime.queries.get('counts', 'a'))?.value).toBe(1))

    const [committed] = await broker.offsets([{ topic: 'app-counts-changelog', partition: 0 }])
    expect(committed?.latest).toBe(0)
    await runtime.kill()
  })

  test.each([
    ['count', {}, /STORE_UNKNOWN: there is no store "count". Did you mean "counts"\?/],
    ['xyz', {}, /There are counts, per-second, last, versions, countries\./],
    ['counts', { key: 'a', prefix: 'a' }, /QUERY_INVALID: .*names one key, and a range/],
    ['counts', { key: 7 }, /QUERY_INVALID: .*"counts".*no key of it/],
    ['counts', { atMs: 1 }, /one value a key/],
    ['per-second', { atMs: 1, toMs: 2 }, /one time, and a range of times/],
    ['per-second', { fromMs: 0.5 }, /one of its times is none/],
    ['versions', { fromMs: 1 }, /earlier versions of one key at a time/],
  ] as const)('refuse what makes no sense in one sentence (%s %j)', async (store, query, sentence) => {
    await using broker = await openLog(1)
    await using runtime = countingInstance({ broker, stateInMemory: true })
    await runtime.start()

    await expect(Array.fromAsync(runtime.queries.entries<unknown, unknown>(store, query))).rejects.toThrow(sentence)
  })

  test('are answered with STORE_UNAVAILABLE before the start, after the end, and while stores are restored', async () => {
    await using broker = await openLog(1)
    const runtime = countingInstance({ broker, stateInMemory: true })
    const ask = () => runtime.queries.get('counts', 'a')

    await expect(ask()).rejects.toThrow('STORE_UNAVAILABLE: the runtime is not open. Ask again in a moment.')
    await runtime.start()
    const atStart = runtime.queries.copies.find(({ store }) => store === 'counts')
    await runtime.drain()
    expect(await ask()).toBeUndefined()
    await runtime.close()
    await expect(ask()).rejects.toThrow('STORE_UNAVAILABLE')

    expect(['restoring', 'active']).toContain(atStart?.role)
  })
})

describe('a query that is under way', () => {
  test.each([true, false])('ends with STORE_UNAVAILABLE when its task goes (in memory: %s)', async (stateInMemory) => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog(1)
    const runtime = countingInstance({ broker, stateInMemory, stateDirectory: folder.path })
    await runtime.start()
    await writeAll(
      broker,
      Array.from({ length: 3_000 }, (_, index) => ({ key: `key ${index}` })),
    )
    await runtime.drain()
    const entries = runtime.queries.entries('counts')
    await entries.next()

    await runtime.close()

    await expect(Array.fromAsync(entries)).rejects.toThrow('STORE_UNAVAILABLE')
  })
})

describe('a store with a time to live', () => {
  test('shows nothing that has outlived it in the stream time of its task', async () => {
    const seen = timestampedKeyValueStore('seen', { key: string, value: string, ttlMs: 1_000 })
    const builder = new TopologyBuilder()
    builder.stream('in', kafka({ topic: 'in', key: string, value: string })).process({
      name: 'remember',
      operator: 'remember',
      stores: [seen],
      create: () => ({
        process({ key, value, timestamp }, context) {
          if (value !== 'pass') context.store(seen).put(key, { value: value ?? '', timestamp })
        },
      }),
    })
    await using broker = await openLog(1)
    await using runtime = new StreamRuntime({
      topology: builder.build(),
      application: 'app',
      broker,
      stateInMemory: true,
    })
    await runtime.start()
    const keys = async () => (await Array.fromAsync(runtime.queries.entries('seen'))).map(({ key }) => key)

    await writeAll(broker, [
      { key: 'old', timestamp: 1_000 },
      { key: 'young', timestamp: 1_900 },
    ])
    await runtime.drain()
    const before = await keys()
    await writeAll(broker, [{ key: 'time', value: 'pass', timestamp: 2_000 }])
    await runtime.drain()

    expect(before).toEqual(['old', 'young'])
    expect(await keys()).toEqual(['young'])
  })
})

describe('queries of two instances', () => {
  test('know which instance has a key, and read standbys within a bound', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog(2)
    const start = async (name: string) => {
      const stateDirectory = join(folder.path, name)
      const runtime = countingInstance({ broker, stateDirectory, numStandbyReplicas: 1 })
      runtime.queries.advertise(`http://127.0.0.1/${name}`)
      await runtime.start()
      return runtime
    }
    await using one = await start('one')
    await using two = await start('two')
    await eventually(() => expect([one.tasks.length, two.tasks.length]).toEqual([2, 2]))
    const records = keysOf(2).flatMap((key, partition) => ['in', 'rows'].map((topic) => ({ topic, key, partition })))
    await writeAll(broker, records)
    await one.drain()
    await two.drain()
    // Each has two of four tasks, whichever they are.
    const theirs = two.queries.copies.find(({ role }) => role === 'active')
    const { store = '', partition = -1 } = theirs ?? {}
    const key = keysOf(2)[partition]
    const stale = { maxBehindMs: 60_000, maxBehindRecords: 0 }

    await expect(one.queries.get(store, key)).rejects.toThrow(
      `STORE_UNAVAILABLE: partition ${partition} of store "${store}" is here as a standby only. Say how far behind`,
    )
    await eventually(async () => expect((await one.queries.get(store, key, stale))?.timestamp).toBe(1))

    const [here, there] = ['http://127.0.0.1/one', 'http://127.0.0.1/two']
    expect(one.queries.hostsOf(store, partition)).toEqual({ active: there, standbys: [] })
    expect(two.queries.hostsOf(store, partition)).toEqual({ active: undefined, standbys: [here] })
    expect(one.queries.copy(store, partition, stale)).toMatchObject({ role: 'standby', behind: { records: 0 } })
    expect(() => one.queries.copy(store, partition, { maxBehindMs: -1 })).toThrow(/is behind: 0 records and/)
    expect(one.queries.partitionsOf(store, { key })).toEqual([partition])
    expect(one.queries.partitionsOf(store, { prefix: 'k' })).toEqual([0, 1])
  })
})

describe('the delay of a copy', () => {
  test('is the time since it missed nothing of what it has, and grows while nobody tells where the log ends', () => {
    const clock = new ManualClock(0)
    const delay = new ChangelogDelay()
    expect(delay.behind(0, clock.now())).toBeUndefined()

    delay.see(0, 10)
    delay.see(1_000, 20)
    delay.see(2_000, 30)

    expect(delay.behind(5, 2_500)).toBeUndefined()
    expect(delay.behind(20, 2_500)).toEqual({ records: 10, ms: 1_500 })
    expect(delay.behind(30, 2_500)).toEqual({ records: 0, ms: 500 })
    expect(delay.behind(30, 9_000)).toEqual({ records: 0, ms: 7_000 })
  })

  test('forgets old ends, never the newest', () => {
    const delay = new ChangelogDelay()
    for (let at = 0; at < 1_000; at++) delay.see(at, at)

    expect(delay.behind(999, 999)).toEqual({ records: 0, ms: 0 })
    expect(delay.behind(500, 999)?.ms).toBeGreaterThanOrEqual(499)
  })
})
