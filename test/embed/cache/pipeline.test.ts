import { join } from 'node:path'
import { expect, test } from 'vitest'
import { documentTopology } from '../../../src/cli/documents.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { cached } from '../../../src/embed/cache/cached.ts'
import { hash } from '../../../src/embed/hash.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { dump, produceEvents } from '../../support/document-pipeline.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const partitions = 3
const events = Array.from({ length: 12 }, (_, number) => {
  const text = `# Mill ${number}\n\nMill number ${number} stands at the river and grinds grain.\n`
  return { key: `mill-${number}.md`, op: 'upsert' as const, text }
})

/** Indexes all documents from scratch: only the cache may know anything. */
async function indexAll(root: string, name: string) {
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'documents', partitions, cleanup: 'compact' }])
  await produceEvents(broker, events, { topic: 'documents', partitions })
  const index = sqliteIndex({ path: join(root, `${name}.db`) })
  const embedder = cached(hash({ dimensions: 16 }), { path: join(root, 'vectors') })
  const topology = documentTopology(index, embedder)
  const runtime = new StreamRuntime({ topology, broker, application: name, stateDirectory: join(root, 'state') })
  await runtime.start()
  await runtime.drain()
  const points = await dump(index)
  const stats = embedder.cacheStats
  await runtime.close()
  return { points, stats }
}

test('a pipeline of several tasks that is built again from scratch embeds nothing that its cache holds', async () => {
  await using folder = await temporaryDirectory()

  const first = await indexAll(folder.path, 'first')
  const second = await indexAll(folder.path, 'second')

  expect(first.points).toHaveLength(events.length)
  expect(first.stats).toMatchObject({ diskHits: 0, misses: events.length })
  expect(second.stats).toMatchObject({ diskHits: events.length, misses: 0 })
  expect(second.points.toSorted(byKey)).toEqual(first.points.toSorted(byKey))
})

function byKey(one: { key: string }, other: { key: string }): number {
  return one.key < other.key ? -1 : 1
}
