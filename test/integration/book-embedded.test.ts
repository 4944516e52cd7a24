import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { book500, type ChangeEvent, changeStream } from '../support/change-stream.ts'
import { dump, type Pipeline, produceEvents, startPipeline } from '../support/document-pipeline.ts'
import { type DumpedPoint, differences, faultsOf, shuffled } from '../support/oracle.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 6
const events = changeStream(book500)

/** Feeds events in ten parts and lets the oracle judge after each of them. */
async function runInTenParts(delivery: readonly ChangeEvent[]) {
  await using folder = await temporaryDirectory()
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'documents', partitions, cleanup: 'compact' }])
  const index = sqliteIndex({ path: ':memory:' })
  const pipeline = await startPipeline(index, { broker, stateDirectory: folder.path, commitIntervalMs: 50 })
  const faults: string[] = []
  let points: DumpedPoint[] = []
  for (let part = 1; part <= 10; part++) {
    const from = Math.floor(((part - 1) * delivery.length) / 10)
    const to = Math.floor((part * delivery.length) / 10)
    await produceEvents(broker, delivery.slice(from, to), { topic: 'documents', partitions })
    await pipeline.runtime.drain()
    points = await dump(index)
    faults.push(...faultsOf(delivery.slice(0, to), points).map((fault) => `part ${part}: ${fault}`))
  }
  const counts = countsOf(pipeline)
  await pipeline.runtime.close()
  return { faults, points, counts }
}

function countsOf({ embedder, counter }: Pipeline) {
  const { texts, sharedTexts } = embedder.stats
  return {
    embedderTexts: texts,
    sharedTexts,
    newChunks: counter.upserts,
    payloads: counter.payloads,
    deletes: counter.deletes,
  }
}

describe('500 commits of a real book through the embedded log', () => {
  test('the index equals the documents after every tenth, and only new chunks were embedded', async () => {
    const { faults, counts, points } = await runInTenParts(events)

    console.log(`book-500, embedded log: ${JSON.stringify({ points: points.length, ...counts })}`)
    expect(faults).toEqual([])
    expect(counts.embedderTexts).toBe(counts.newChunks)
  })

  test('a shuffled delivery with duplicates and replays ends in the same index', async () => {
    const delivery = shuffled(events, {
      seed: 7,
      partitions,
      partitionOf: (key) => partitionFor(Buffer.from(key), partitions),
    })

    const [plain, mixed] = [await runInTenParts(events), await runInTenParts(delivery)]

    console.log(`book-500, shuffled: ${JSON.stringify({ delivered: delivery.length, ...mixed.counts })}`)
    expect(delivery.length).toBeGreaterThan(events.length)
    expect(mixed.faults).toEqual([])
    expect(differences(plain.points, mixed.points)).toEqual([])
  })
})
