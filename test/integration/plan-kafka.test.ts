import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadPipeline } from '../../src/cli/load-program.ts'
import { PlanCounts } from '../../src/cli/plan/plan-counts.ts'
import type { Plan } from '../../src/cli/plan/plan-run.ts'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { resourcesOf, sinksOf } from '../../src/runtime/resources/resources.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { book500, changeStream } from '../support/change-stream.ts'
import { millraceHere } from '../support/command-here.ts'
import { produceEvents } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 3

/** Runs to the end of the topic, and tells what the embedder and the index have counted. */
async function ran(broker: Broker, { topology, settings }: Awaited<ReturnType<typeof loadPipeline>>) {
  const counts = new PlanCounts(topology)
  const runtime = new StreamRuntime({ ...settings, topology, broker, observer: counts })
  await runtime.start()
  await runtime.drain()
  const [index] = sinksOf(topology).keys()
  const { stats } = index as unknown as { stats: Record<string, number> }
  const done = { records: counts.records, documents: counts.documents, ...statsOf(topology), ...stats }
  await runtime.close()
  return done
}

function statsOf(topology: Topology) {
  const [embedder] = resourcesOf(topology)
  const { texts, tokens } = (embedder as unknown as { stats: Record<string, number> }).stats
  return { texts, tokens }
}

test.skipIf(kafkaBrokers.length === 0)('a plan of edits in a real Kafka is what the run then does', async () => {
  await using folder = await temporaryDirectory()
  await using double = await startQdrantDouble()
  await using broker = kafkaBroker({ brokers: kafkaBrokers })
  await broker.open()
  const topic = `plan-${Date.now()}`
  const file = join(folder.path, 'millrace.yaml')
  await writeFile(
    file,
    `application: ${topic}
kafka: { brokers: "${kafkaBrokers.join(',')}" }
source: { topic: ${topic}, format: file }
model: { hash: { dimensions: 32 } }
index: { qdrant: { collection: documents, url: "${double.url}" } }
runtime: { stateDirectory: ${join(folder.path, 'state')}, commitIntervalMs: 200 }
`,
  )
  const plan = async (...options: string[]): Promise<Plan> => {
    const { stdout, stderr } = await millraceHere(['plan', file, '--json', ...options])
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as Plan
  }

  // given: half of the beginning of a book's history is indexed, and the last version of each document of the other half is written
  const events = changeStream(book500).slice(0, 120)
  const half = Math.floor(events.length / 2)
  await broker.createTopics([{ topic, partitions, cleanup: 'compact' }])
  await produceEvents(broker, events.slice(0, half), { topic, partitions })
  await ran(broker, await loadPipeline(file))
  const edits = [...new Map(events.slice(half).map((event) => [event.key, event])).values()]
  await produceEvents(broker, edits, { topic, partitions })

  // when
  const planned = await plan()
  const after = await plan()
  const fromStart = await plan('--after-reset')
  const done = await ran(broker, await loadPipeline(file))
  const nothing = await plan()

  // then
  const { records, documents, embeddings, points } = planned
  expect(after).toEqual(planned)
  expect(done).toMatchObject({
    ...{ records, documents, texts: embeddings.texts, tokens: embeddings.tokens },
    ...{ pointsWritten: points.upserts, payloadsWritten: points.payloadUpdates, pointsDeleted: points.deletes },
  })
  expect(records).toBe(edits.length)
  expect(embeddings.texts).toBeGreaterThan(0)
  expect(fromStart.records).toBe(half + edits.length)
  expect(fromStart.embeddings.texts).toBeGreaterThanOrEqual(embeddings.texts)
  expect(nothing).toMatchObject({ records: 0, embeddings: { texts: 0 }, points: { upserts: 0 } })
})
