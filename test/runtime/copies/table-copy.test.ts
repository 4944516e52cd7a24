import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { filter, joinTable } from '../../../src/operators/index.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { restoreCopy } from '../../../src/runtime/copies/table-copy.ts'
import type { RestoredEvent } from '../../../src/runtime/observer.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { memoryStore } from '../../../src/state/memory-store.ts'
import type { KeyValueStore, StoreSpec, Timestamped } from '../../../src/state/store.ts'
import { TaskState } from '../../../src/state/task-state.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { describeAsText } from '../../../src/topology/describe.ts'
import { overlaid } from '../../support/overlaid.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const authors = kafka({ topic: 'authors', key: string, value: msgpack<string>() })
const views = kafka({ topic: 'views', key: string, value: string })
const output = kafkaTopic({ topic: 'out', key: string, value: string })

const spec = {
  kind: 'timestamped-key-value',
  name: 'authors',
  key: string,
  value: authors.value,
  changelog: false,
  copyOf: 'authors',
} as StoreSpec

function topologyWithCopy() {
  const builder = new TopologyBuilder()
  const table = builder.table('authors', authors, { changelog: 'source' })
  builder
    .stream('views', views)
    .process(joinTable('joined', table, (view, author) => `${view} ${author}`))
    .to('out', output)
  return builder.build()
}

describe('a table that is restored from its topic', () => {
  test.each([
    ['in memory', true],
    ['on disk', false],
  ])('has its rows after a crash, %s, and no changelog', async (_, stateInMemory) => {
    await using folder = await temporaryDirectory()
    const restored: number[] = []
    const observer = { restored: ({ records }: RestoredEvent) => void restored.push(records) }
    const options = { stateInMemory, stateDirectory: folder.path, observer }
    await using driver = await TopologyTestDriver.start(topologyWithCopy(), options)
    await driver.pipe(authors, { key: 'a', value: 'Ann', timestamp: 7 }, { key: 'b', value: 'Bob' })
    await driver.pipe(authors, { key: 'b', value: null })

    await driver.crash()
    await driver.pipe(authors, { key: 'c', value: 'Cid' })
    await driver.restart()
    await driver.pipe(views, { key: 'a', value: '1' }, { key: 'b', value: '2' }, { key: 'c', value: '3' })

    expect((await driver.read(output)).map(({ value }) => value)).toEqual(['1 Ann', '3 Cid'])
    expect(driver.store<string, Timestamped<string>>('authors').get('a')).toEqual({ value: 'Ann', timestamp: 7 })
    expect(restored).toEqual([0, stateInMemory ? 3 : 0])
    expect(describeAsText(topologyWithCopy())).toMatch('store authors (level, restored from topic authors)')
    expect(describeAsText(topologyWithCopy())).not.toMatch('changelog')
  })

  test('takes nothing from beyond the offset at which its task goes on, nor what the task could not read', async () => {
    await using broker = embeddedBroker()
    await broker.open()
    await broker.createTopics([{ topic: 'authors', partitions: 1 }])
    const producer = await broker.producer()
    const place = { topic: 'authors', partition: 0 }
    const bytes = (value: string | null) => (value === null ? null : authors.value.serialize(value))
    const record = (key: string | null, value: Uint8Array | null) => ({
      ...place,
      key: key === null ? null : string.serialize(key),
      value,
      timestamp: 5,
      headers: [],
    })
    await producer.send([
      record('a', bytes('one')),
      record(null, bytes('nobody')),
      record('broken', Uint8Array.of(0xc1)),
      record('b', bytes('two')),
      record('a', bytes('beyond')),
    ])
    await producer.close()
    await using state = await TaskState.open({ stores: [spec], openDisk: async () => memoryStore() })
    const options = { offsets: [{ ...place, offset: 4 }], state, broker, signal: new AbortController().signal }

    expect(await restoreCopy(spec, options)).toBe(4)

    const rows = state.view<KeyValueStore<string, Timestamped<string>>>('authors', () => 1)
    expect(['a', 'b', 'broken'].map((key) => rows.get(key)?.value)).toEqual(['one', 'two', undefined])
    expect(state.position('authors')).toBe(4)
    expect(await restoreCopy(spec, options)).toBe(0)
  })

  test('begins where its topic begins, when the first records of that have expired', async () => {
    await using broker = embeddedBroker()
    await broker.open()
    await broker.createTopics([{ topic: 'authors', partitions: 1 }])
    const place = { topic: 'authors', partition: 0 }
    const producer = await broker.producer()
    const record = (key: string) => ({ ...place, key: string.serialize(key), value: authors.value.serialize(key) })
    await producer.send(['a', 'b'].map((key) => ({ ...record(key), timestamp: 5, headers: [] })))
    await producer.close()
    const shortened = overlaid<Broker>(broker, {
      offsets: async (places) => (await broker.offsets(places)).map((range) => ({ ...range, earliest: 1 })),
      read: (partition, from, signal) => {
        if (from < 1) throw new StreamError('OFFSET_OUT_OF_RANGE', 'the first record is gone')
        return broker.read(partition, from, signal)
      },
    })
    await using state = await TaskState.open({ stores: [spec], openDisk: async () => memoryStore() })
    const options = {
      offsets: [{ ...place, offset: 2 }],
      state,
      broker: shortened,
      signal: new AbortController().signal,
    }

    expect(await restoreCopy(spec, options)).toBe(1)

    const rows = state.view<KeyValueStore<string, Timestamped<string>>>('authors', () => 1)
    expect(['a', 'b'].map((key) => rows.get(key)?.value)).toEqual([undefined, 'b'])
  })

  test('needs a topic that is compacted', async () => {
    await using broker = embeddedBroker()
    await broker.open()
    await broker.createTopics(['authors', 'views', 'out'].map((topic) => ({ topic, partitions: 1 })))
    await using runtime = new StreamRuntime({
      topology: topologyWithCopy(),
      broker,
      application: 'app',
      stateInMemory: true,
    })

    await expect(runtime.start()).rejects.toThrow(
      'TOPIC_MISMATCH: table "authors" is restored from topic "authors", which forgets rows by its cleanup.policy "delete"',
    )
  })

  test('cannot be followed by a step that needs what a change replaced', () => {
    const table = new TopologyBuilder().table('authors', authors, { changelog: 'source' })

    expect(() => table.process(filter('long', (name) => name.length > 3))).toThrow(
      'TOPOLOGY_INVALID: step "long" needs to know what a change of table "authors" replaced',
    )
  })

  test.each([
    ['other times', { ...authors, timestamp: () => 1 }, {}],
    ['another serde', authors, { value: msgpack<string>() }],
    ['another serde of the key', authors, { key: nullable(string) as typeof string }],
  ])('cannot have %s than its topic', (_, source, store) => {
    const build = () => new TopologyBuilder().table('authors', source, { ...store, changelog: 'source' })

    expect(build).toThrow('TOPOLOGY_INVALID: table "authors" cannot be restored from topic "authors"')
  })
})
