import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import type { Task } from '../../src/runtime/tasks/task.ts'
import { book500, changeStream } from '../support/change-stream.ts'
import { dump, type Pipeline, produceEvents, startPipeline } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { faultsOf } from '../support/oracle.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { settling } from '../support/settling.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 6
const names = ['one', 'two', 'three']
const events = changeStream(book500)

test.skipIf(kafkaBrokers.length === 0)(
  'three instances restarted one after the other under load: the index ends right, and who stays keeps its tasks open',
  async () => {
    await using folder = await temporaryDirectory()
    await using double = await startQdrantDouble()
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const application = `rolling-${Date.now()}`
    await broker.createTopics([{ topic: application, partitions, cleanup: 'compact' }])
    const start = async (name: string): Promise<Pipeline & { close: () => Promise<void> }> => {
      const client = kafkaBroker({ brokers: kafkaBrokers })
      await client.open()
      const index = qdrant({ collection: 'documents', url: double.url, requestTimeoutMs: 2_000 })
      const settings = {
        application,
        topic: application,
        stateDirectory: join(folder.path, name),
        commitIntervalMs: 200,
      }
      const pipeline = await startPipeline(index, { broker: client, ...settings, sessionTimeoutMs: 6_000 })
      const close = async () => {
        await pipeline.runtime.close()
        await client.close()
      }
      return { ...pipeline, close }
    }
    const instances = new Map(await Promise.all(names.map(async (name) => [name, await start(name)] as const)))
    const tasksOf = () => new Map([...instances].map(([name, { runtime }]) => [name, [...runtime.tasks]]))
    /** Everybody runs, and all tasks have an owner. */
    const settledGroup = () =>
      settling(() => {
        const runtimes = [...instances.values()].map(({ runtime }) => runtime)
        expect(runtimes.map(({ state }) => state)).toEqual(runtimes.map(() => 'running'))
        expect(runtimes.flatMap(({ tasks }) => tasks)).toHaveLength(partitions)
      })
    const openedAgain: string[] = []
    const noteOpenedAgain = (before: Map<string, Task[]>) => {
      for (const [name, tasks] of tasksOf())
        for (const { id } of tasks.filter((task) =>
          before.get(name)?.some((old) => old.id === task.id && old !== task),
        ))
          openedAgain.push(`${name} ${id}`)
    }
    await settledGroup()
    let produced = 0
    let isLoaded = true
    const load = (async () => {
      while (isLoaded && produced < events.length) {
        await produceEvents(broker, events.slice(produced, produced + 20), { topic: application, partitions })
        produced += 20
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })()

    for (const name of names) {
      const before = tasksOf()
      await instances.get(name)?.close()
      instances.delete(name)
      await settledGroup()
      noteOpenedAgain(before)
      const without = tasksOf()
      instances.set(name, await start(name))
      await settledGroup()
      noteOpenedAgain(without)
    }
    isLoaded = false
    await load
    await produceEvents(broker, events.slice(produced), { topic: application, partitions })
    await Promise.all([...instances.values()].map(({ runtime }) => runtime.drain()))

    const index = qdrant({ collection: 'documents', url: double.url })
    await index.open({ id: '', dimensions: 64 })
    const points = await dump(index)
    await index.close()
    for (const { close } of instances.values()) await close()
    expect(faultsOf(events, points)).toEqual([])
    expect(openedAgain).toEqual([])
  },
  120_000,
)
