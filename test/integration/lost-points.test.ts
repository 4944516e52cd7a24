import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import { dump, produceEvents, startPipeline } from '../support/document-pipeline.ts'
import { change } from '../support/points.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const target = { topic: 'documents', partitions: 1 }

/** Deletes the points of a document behind the pipeline's back. */
async function lose(index: VectorIndex, key: string): Promise<void> {
  const ids = ((await index.observe([key])).get(key) ?? []).map(({ id }) => id)
  const writer = index.writer('9_9')
  await writer.write(change(key, { kind: 'delete', ids }), new AbortController().signal)
  await writer.close()
}

describe.each(['SQLite', 'Qdrant'])('a point that %s has lost', (product) => {
  test('is written again when only its markup changes, and its document is no dead letter', async () => {
    await using folder = await temporaryDirectory()
    await using double = await startQdrantDouble()
    await using broker = embeddedBroker()
    await broker.open()
    await broker.createTopics([target])
    const index =
      product === 'SQLite' ? sqliteIndex({ path: ':memory:' }) : qdrant({ collection: 'c', url: double.url })
    const options = { broker, stateDirectory: folder.path, deadLetterTopic: 'dead-letters', commitIntervalMs: 50 }
    const { runtime, counter } = await startPipeline(index, options)
    const put = async (key: string, text: string) => {
      await produceEvents(broker, [{ key, op: 'upsert', text }], target)
      await runtime.drain()
    }
    await put('lost.md', 'Mills *grind* grain.')
    await put('kept.md', 'Wind drives them.')
    await lose(index, 'lost.md')

    await put('lost.md', 'Mills **grind** grain.')

    expect((await dump(index)).map(({ text }) => text).sort()).toEqual(['Mills **grind** grain.', 'Wind drives them.'])
    expect(counter.payloads).toBe(1)
    const [letters] = await broker.offsets([{ topic: 'dead-letters', partition: 0 }]).catch(() => [])
    expect(letters?.latest ?? 0).toBe(0)
    await runtime.close()
  })
})
