import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { TaskId } from '../../src/topology/processor.ts'
import { overlaid } from '../support/overlaid.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 4
const changelog = (partition: number) => ({ topic: 'app-unchanged-changelog', partition })

async function openLog(): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'in', partitions }])
  return broker
}

/** So many new keys in each partition. */
async function write(broker: Broker, prefix: string, perPartition: number): Promise<void> {
  const producer = await broker.producer()
  const records = Array.from({ length: perPartition * partitions }, (_, index) => ({
    topic: 'in',
    partition: index % partitions,
    key: Buffer.from(`${prefix} ${index}`),
    value: Buffer.from('value'),
    timestamp: 1,
    headers: noHeaders,
  }))
  await producer.send(records)
  await producer.close()
}

/** An instance that remembers every key, and what its observer was told. */
function instance(broker: Broker, folder: string, options: Partial<StreamRuntimeOptions> = {}) {
  const lags = new Map<TaskId, number>()
  const restored = new Map<TaskId, number>()
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: 'in', key: string, value: string }))
    .process(dedupe('unchanged'))
    .to('out', new RecordingSink())
  const runtime = new StreamRuntime({
    topology: builder.build(),
    broker,
    application: 'app',
    stateDirectory: folder,
    commitIntervalMs: 20,
    numStandbyReplicas: 1,
    observer: {
      standby: ({ task, lag }) => void lags.set(task, lag),
      restored: ({ task, records }) => void restored.set(task, (restored.get(task) ?? 0) + records),
    },
    ...options,
  })
  const owned = () => runtime.tasks.filter(({ running }) => running).map(({ id }) => id)
  return { runtime, lags, restored, owned }
}

type Instance = ReturnType<typeof instance>

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 10 })

async function bothRunning(one: Instance, other: Instance): Promise<void> {
  await eventually(() => expect([one.owned().length, other.owned().length]).toEqual([2, 2]))
}

/** The standbys have read everything that the owners have committed. */
async function caughtUp(...instances: readonly Instance[]): Promise<void> {
  for (const { runtime } of instances) await runtime.drain()
  for (const { lags } of instances) lags.clear()
  await eventually(() => {
    for (const { lags } of instances) expect([...lags.values()]).toEqual([0, 0])
  })
}

describe('standbys of two instances', () => {
  test('follow the tasks of the other one into folders of their own, and take over with the tail alone', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    const other = instance(broker, join(folder.path, 'other'))
    await one.runtime.start()
    await other.runtime.start()
    await bothRunning(one, other)
    await write(broker, 'first', 100)
    await caughtUp(one, other)
    const theirs = one.owned()
    const copies = [...other.lags.keys()].sort()
    const folders = await readdir(join(folder.path, 'other', 'app'))
    other.restored.clear()

    await one.runtime.kill()
    await eventually(() => expect(other.owned().sort()).toEqual(['0_0', '0_1', '0_2', '0_3']))
    await write(broker, 'first', 100)
    await other.runtime.drain()

    const ends = await broker.offsets([0, 1, 2, 3].map(changelog))
    expect(copies).toEqual(theirs.toSorted())
    expect(folders.filter((name) => /^0_\d$/.test(name)).sort()).toEqual(['0_0', '0_1', '0_2', '0_3'])
    // Every restore found nothing missing, and every key was known: nothing was written again.
    expect([...other.restored].sort()).toEqual(theirs.toSorted().map((id) => [id, 0]))
    expect(ends.map(({ latest }) => latest)).toEqual([100, 100, 100, 100])
    await other.runtime.close()
  })

  test('give way to their task without opening its stores twice, and follow again when it leaves', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    const other = instance(broker, join(folder.path, 'other'))
    await one.runtime.start()
    await write(broker, 'first', 50)
    await one.runtime.drain()
    await other.runtime.start()
    await bothRunning(one, other)
    await caughtUp(one, other)

    await one.runtime.close()
    await eventually(() => expect(other.owned()).toHaveLength(4))
    const again = instance(broker, join(folder.path, 'one'))
    await again.runtime.start()
    await bothRunning(again, other)
    await write(broker, 'second', 50)
    await caughtUp(again, other)

    // It had all four when it left, and nothing was written meanwhile.
    expect([...again.restored.values()]).toEqual([0, 0])
    expect([...other.lags.keys()].sort()).toEqual(again.owned().sort())
    await again.runtime.close()
    await other.runtime.close()
  })

  test('write nothing but their own stores', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    await one.runtime.start()
    await write(broker, 'first', 50)
    await one.runtime.drain()
    const sent: string[] = []
    const watched = overlaid<Broker>(broker, {
      producer: async (options) => {
        const producer = await broker.producer(options)
        return overlaid(producer, {
          send: (records) => {
            sent.push(...records.map(({ topic, partition }) => `${topic}-${partition}`))
            return producer.send(records)
          },
        })
      },
    })
    const other = instance(watched, join(folder.path, 'other'))
    await other.runtime.start()
    await bothRunning(one, other)
    await write(broker, 'second', 50)
    await caughtUp(one, other)

    const own = other.owned().map((id) => `app-unchanged-changelog-${id.split('_')[1]}`)
    expect(new Set(sent)).toEqual(new Set(own))
    await one.runtime.close()
    await other.runtime.close()
  })

  test('end with a fault of their own, and the instance works on', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    const broken = overlaid<Broker>(broker, {
      read: async function* (place, from, signal) {
        if (place.topic === changelog(0).topic) yield { records: [{ ...keyless, offset: from }], next: from + 1 }
        else yield* broker.read(place, from, signal)
      },
    })
    const keyless = { key: null, value: null, timestamp: 1, headers: noHeaders }
    const other = instance(broken, join(folder.path, 'other'))
    await one.runtime.start()
    await other.runtime.start()
    await bothRunning(one, other)

    await write(broker, 'first', 50)
    await one.runtime.drain()
    await eventually(() => expect(other.lags.size).toBe(2))
    await other.runtime.drain()

    expect([one.runtime.state, other.runtime.state]).toEqual(['running', 'running'])
    await one.runtime.close()
    await other.runtime.close()
  })

  test('are none by default', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'), { numStandbyReplicas: 0 })
    const other = instance(broker, join(folder.path, 'other'), { numStandbyReplicas: 0 })
    await one.runtime.start()
    await other.runtime.start()
    await bothRunning(one, other)
    await write(broker, 'first', 20)
    await one.runtime.drain()
    await other.runtime.drain()

    expect([one.lags.size, other.lags.size]).toEqual([0, 0])
    await one.runtime.close()
    await other.runtime.close()
  })
})
