import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { book500, type ChangeEvent, changeStream } from '../support/change-stream.ts'
import { dump, type Pipeline, produceEvents, startPipeline } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { type DumpedPoint, differences, faultsOf, shuffled } from '../support/oracle.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 6
const events = changeStream(book500)

/** Two instances between Kafka and Qdrant; the oracle judges after every tenth of the delivery. */
async function runOnKafka(delivery: readonly ChangeEvent[], application: string) {
  await using folder = await temporaryDirectory()
  await using double = await startQdrantDouble()
  await using broker = kafkaBroker({ brokers: kafkaBrokers })
  await broker.open()
  const topic = `documents-${application}`
  await broker.createTopics([{ topic, partitions, cleanup: 'compact' }])
  const start = async (name: string) => {
    const client = kafkaBroker({ brokers: kafkaBrokers })
    await client.open()
    const index = qdrant({ collection: 'documents', url: double.url })
    const settings = { application, topic, stateDirectory: join(folder.path, name), commitIntervalMs: 200 }
    const pipeline = await startPipeline(index, { broker: client, ...settings })
    return { ...pipeline, index, client }
  }
  const instances = [await start('one'), await start('two')]
  const faults: string[] = []
  let points: DumpedPoint[] = []
  for (let part = 1; part <= 10; part++) {
    const from = Math.floor(((part - 1) * delivery.length) / 10)
    const to = Math.floor((part * delivery.length) / 10)
    await produceEvents(broker, delivery.slice(from, to), { topic, partitions })
    await Promise.all(instances.map(({ runtime }) => runtime.drain()))
    points = await dump(instances[0]?.index ?? qdrant({ collection: 'documents' }))
    faults.push(...faultsOf(delivery.slice(0, to), points).map((fault) => `part ${part}: ${fault}`))
  }
  const shares = instances.map(({ runtime }) => runtime.tasks.length)
  const counts = totalOf(instances)
  for (const { runtime, client } of instances) {
    await runtime.close()
    await client.close()
  }
  return { faults, points, counts, shares }
}

function totalOf(instances: readonly Pipeline[]) {
  const embedderTexts = instances.reduce((sum, { embedder }) => sum + embedder.stats.texts, 0)
  const newChunks = instances.reduce((sum, { counter }) => sum + counter.upserts, 0)
  return { embedderTexts, newChunks }
}

/** The same documents through the embedded log and index: the index to be equal to. */
async function runEmbedded(): Promise<DumpedPoint[]> {
  await using folder = await temporaryDirectory()
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'documents', partitions }])
  const index = sqliteIndex({ path: ':memory:' })
  const { runtime } = await startPipeline(index, { broker, stateDirectory: folder.path })
  await produceEvents(broker, events, { topic: 'documents', partitions })
  await runtime.drain()
  const points = await dump(index)
  await runtime.close()
  return points
}

describe.skipIf(kafkaBrokers.length === 0)(
  '500 commits of a real book between Kafka and Qdrant, with two instances',
  () => {
    test('the index equals the documents after every tenth, and the index of the embedded run', async () => {
      const application = `book-${Date.now()}`

      const { faults, points, counts, shares } = await runOnKafka(events, application)

      console.log(`book-500, Kafka: ${JSON.stringify({ points: points.length, shares, ...counts })}`)
      expect(faults).toEqual([])
      expect(shares).toEqual([3, 3])
      expect(counts.embedderTexts).toBe(counts.newChunks)
      expect(differences(points, await runEmbedded())).toEqual([])
    })

    test('a shuffled delivery with duplicates and replays ends right as well', async () => {
      const partitionOf = (key: string) => partitionFor(Buffer.from(key), partitions)
      const delivery = shuffled(events, { seed: 11, partitions, partitionOf })

      const { faults } = await runOnKafka(delivery, `shuffled-${Date.now()}`)

      expect(faults).toEqual([])
    })
  },
)
