import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import type { Failpoint } from '../../src/runtime/commit/checkpoint.ts'
import type { RuntimeObserver } from '../../src/runtime/observer.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import { msgpack, string } from '../../src/serde.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Counts the records of each key, in a store and to a topic. */
function countTopology(): Topology {
  const builder = new TopologyBuilder()
  builder
    .stream('words', kafka({ topic: 'words', key: string, value: string }))
    .process<string, number>({
      name: 'counts',
      operator: 'count',
      stores: [{ kind: 'key-value', name: 'counts', key: string, value: msgpack<number>() }],
      create: () => ({
        process(record, context) {
          const store = context.store<KeyValueStore<string, number>>('counts')
          const count = (store.get(record.key) ?? 0) + 1
          store.put(record.key, count)
          context.forward({ ...record, value: count })
        },
      }),
    })
    .to('counted', kafkaTopic({ topic: 'counted', key: string, value: msgpack<number>() }))
  return builder.build()
}

async function openBroker(partitions = 4): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([
    { topic: 'words', partitions },
    { topic: 'counted', partitions },
  ])
  return broker
}

async function produce(broker: Broker, words: readonly string[], partitions = 4): Promise<void> {
  const producer = await broker.producer()
  await producer.send(
    words.map((word) => {
      const key = Buffer.from(word)
      return {
        topic: 'words',
        partition: partitionFor(key, partitions),
        key,
        value: key,
        timestamp: 1,
        headers: noHeaders,
      }
    }),
  )
  await producer.close()
}

/** The largest count that each word reached in the output topic. */
async function counted(broker: Broker, partitions = 4): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const serde = msgpack<number>()
  for (let partition = 0; partition < partitions; partition++) {
    for await (const { records } of broker.read({ topic: 'counted', partition }, 0)) {
      for (const { key, value } of records) {
        const word = Buffer.from(key ?? []).toString()
        counts[word] = Math.max(counts[word] ?? 0, value ? serde.deserialize(value) : 0)
      }
    }
  }
  return counts
}

async function started(
  options: Partial<StreamRuntimeOptions> & Pick<StreamRuntimeOptions, 'broker' | 'stateDirectory'>,
) {
  const runtime = new StreamRuntime({
    application: 'count',
    topology: countTopology(),
    commitIntervalMs: 20,
    ...options,
  })
  await runtime.start()
  return runtime
}

const words = Array.from({ length: 400 }, (_, index) => `word-${index % 40}`)
const tenOfEach = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`word-${index}`, 10]))

describe('a runtime', () => {
  test('processes what is in the log and goes on where it was after an orderly close', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker()
    await produce(broker, words.slice(0, 200))
    const first = await started({ broker, stateDirectory: folder.path })
    await first.drain()
    await first.close()

    await produce(broker, words.slice(200))
    const second = await started({ broker, stateDirectory: folder.path })
    await second.drain()
    await second.close()

    expect(await counted(broker)).toEqual(tenOfEach)
  })

  test('restores its state from the changelog when the folder is gone', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker()
    await produce(broker, words.slice(0, 200))
    const first = await started({ broker, stateDirectory: join(folder.path, 'a') })
    await first.drain()
    await first.close()
    await rm(join(folder.path, 'a'), { recursive: true })

    await produce(broker, words.slice(200))
    const second = await started({ broker, stateDirectory: join(folder.path, 'a') })
    await second.drain()
    await second.close()

    expect(await counted(broker)).toEqual(tenOfEach)
  })

  test('reads only the tail of the changelog that its folder lacks', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker()
    await produce(broker, words)
    const first = await started({ broker, stateDirectory: folder.path })
    await first.drain()
    await first.close()
    let restored = 0
    const observer: RuntimeObserver = { restoring: (event) => (restored += event.restored) }

    const second = await started({ broker, stateDirectory: folder.path, observer })
    await second.drain()
    await second.close()

    expect(restored).toBe(0)
  })

  test('two instances share the partitions, and what one leaves the other takes over with its state', async () => {
    await using one = await temporaryDirectory()
    await using two = await temporaryDirectory()
    await using broker = await openBroker()
    const first = await started({ broker, stateDirectory: one.path })
    const second = await started({ broker, stateDirectory: two.path })
    await produce(broker, words.slice(0, 200))
    await Promise.all([first.drain(), second.drain()])
    const shares = [first.tasks.length, second.tasks.length]

    await first.close()
    await produce(broker, words.slice(200))
    await second.drain()
    const left = second.tasks.length
    await second.close()

    expect(shares).toEqual([2, 2])
    expect(left).toBe(4)
    expect(await counted(broker)).toEqual(tenOfEach)
  })

  test.each<Failpoint>(['before-changelog', 'inside-changelog', 'before-offsets', 'before-local-state', 'committed'])(
    'that crashes at %s loses no record: counts never fall short',
    async (point) => {
      await using folder = await temporaryDirectory()
      await using broker = await openBroker()
      await produce(broker, words)
      const failpoint = async (at: Failpoint): Promise<void> => {
        if (at === point) throw new Error(`crash at ${point}`)
      }
      const first = await started({ broker, stateDirectory: join(folder.path, 'first'), failpoint })
      await expect(first.finished).rejects.toThrow(`crash at ${point}`)

      const second = await started({ broker, stateDirectory: join(folder.path, 'second') })
      await second.drain()
      await second.close()

      const counts = await counted(broker)
      expect(Object.keys(counts)).toHaveLength(40)
      for (const count of Object.values(counts)) expect(count).toBeGreaterThanOrEqual(10)
    },
  )

  test('tells its listener how it fares', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker()
    const runtime = new StreamRuntime({
      application: 'count',
      topology: countTopology(),
      broker,
      stateDirectory: folder.path,
    })
    const states: string[] = []
    runtime.onStateChange((to) => states.push(to))

    await runtime.start()
    await runtime.drain()
    await runtime.close()
    await runtime.finished

    expect(states).toEqual(['starting', 'rebalancing', 'running', 'closing', 'closed'])
  })
})

describe('a runtime that cannot start', () => {
  test('names every topic that is missing, and writes nothing', async () => {
    await using folder = await temporaryDirectory()
    await using broker = embeddedBroker()
    await broker.open()

    const starting = started({ broker, stateDirectory: folder.path })

    await expect(starting).rejects.toThrow('TOPIC_MISSING: embedded in memory has no topic "words", "counted"')
    expect(await broker.topics(['count-counts-changelog', 'count-dead-letter'])).toEqual(new Map())
  })

  test('names the directory that another process uses', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker()
    await using _running = await started({ broker, stateDirectory: folder.path })

    const starting = started({ broker, stateDirectory: folder.path })

    await expect(starting).rejects.toMatchObject({ code: 'STATE_LOCKED' })
  })

  test('lists every wrong setting', () => {
    const make = () =>
      new StreamRuntime({
        application: 'no spaces please',
        topology: countTopology(),
        broker: embeddedBroker(),
        commitIntervalMs: -1,
      })

    expect(make).toThrow(
      /CONFIG_INVALID: the configuration has 2 problems:\n {2}- application: .*\n {2}- commitIntervalMs: /,
    )
  })

  test('does not guess when its committed offset is not in the log any more', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker(1)
    await produce(broker, words.slice(0, 10), 1)
    const first = await started({ broker, stateDirectory: folder.path })
    await first.drain()
    const lies: Broker = Object.assign(Object.create(broker) as Broker, {
      committed: async () => [{ topic: 'words', partition: 0, offset: 99, metadata: '' }],
      join: broker.join.bind(broker),
      topics: broker.topics.bind(broker),
      createTopics: broker.createTopics.bind(broker),
      producer: broker.producer.bind(broker),
      offsets: broker.offsets.bind(broker),
    })
    await first.close()

    const second = started({ broker: lies, stateDirectory: folder.path })

    await expect(second).rejects.toThrow(
      /OFFSET_OUT_OF_RANGE: the committed offset 99 of words-0 is not in the log, which has 0 to 10/,
    )
  })
})
