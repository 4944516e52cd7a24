import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedBroker, embeddedBroker } from '../src/connectors/embedded/broker.ts'
import { StreamRuntime } from '../src/runtime/stream-runtime.ts'
import { RuntimeMetrics } from '../src/serve/runtime-metrics.ts'
import { book500, changeStream } from '../test/support/change-stream.ts'
import { produceEvents } from '../test/support/document-pipeline.ts'
import { compare, type Figure, rounded } from './measure.ts'
import { nothingTopology } from './pipeline.ts'

const events = changeStream(book500)
const place = { topic: 'documents', partitions: 4 }
const rounds = 25

/** What metrics of level info cost, with a scrape of each run, which is far more often than Prometheus asks. */
export async function metricsOverhead(): Promise<Figure> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const broker = embeddedBroker({ directory: join(folder, 'log') })
  await broker.open()
  await broker.createTopics([place])
  await produceEvents(broker, events, place)
  let run = 0
  const next = () => ({ application: `run-${run}`, stateDirectory: join(folder, `state-${run++}`) })
  const { speedup, subjectMs, baselineMs } = await compare({
    clock: 'cpu',
    rounds,
    subject: () => runPipeline(broker, next(), true),
    baseline: () => runPipeline(broker, next(), false),
  })
  await broker.close()
  await rm(folder, { recursive: true })
  return {
    figure: 'metrics.overhead',
    value: rounded(1 / speedup),
    unit: 'x',
    detail: `CPU time of the whole pipeline (embedded log on disk, LevelDB state, no-op embedder and index) with metrics / without, ${events.length} versions of documents; ${rounded(subjectMs)} and ${rounded(baselineMs)} ms`,
  }
}

async function runPipeline(
  broker: EmbeddedBroker,
  options: { readonly application: string; readonly stateDirectory: string },
  isWatched: boolean,
): Promise<void> {
  const topology = nothingTopology()
  const metrics = isWatched ? new RuntimeMetrics({ topology, application: options.application }) : undefined
  const runtime = new StreamRuntime({ topology, broker, ...options, ...(metrics && { observer: metrics }) })
  await runtime.start()
  await runtime.drain()
  await metrics?.text(runtime.view)
  await runtime.close()
  metrics?.close()
}
