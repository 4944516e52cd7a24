import { StreamRuntime } from '../src/runtime/stream-runtime.ts'
import { RuntimeMetrics } from '../src/serve/runtime-metrics.ts'
import { book500, changeStream } from '../test/support/change-stream.ts'
import { DocumentLog, type LogRun } from './document-log.ts'
import { compare, type Figure, rounded } from './measure.ts'
import { nothingTopology } from './pipeline.ts'

const events = changeStream(book500)
const rounds = 25

/** What metrics of level info cost, with a scrape of each run, which is far more often than Prometheus asks. */
export async function metricsOverhead(): Promise<Figure> {
  await using log = await DocumentLog.write(events)
  const { speedup, subjectMs, baselineMs } = await compare({
    clock: 'cpu',
    rounds,
    subject: () => runPipeline(log.nextRun(), true),
    baseline: () => runPipeline(log.nextRun(), false),
  })
  return {
    figure: 'metrics.overhead',
    value: rounded(1 / speedup),
    unit: 'x',
    detail: `CPU time of the whole pipeline (embedded log on disk, LevelDB state, no-op embedder and index) with metrics / without, ${events.length} versions of documents; ${rounded(subjectMs)} and ${rounded(baselineMs)} ms`,
  }
}

async function runPipeline(run: LogRun, isWatched: boolean): Promise<void> {
  const topology = nothingTopology()
  const metrics = isWatched ? new RuntimeMetrics({ topology, application: run.application }) : undefined
  const runtime = new StreamRuntime({ topology, ...run, ...(metrics && { observer: metrics }) })
  await runtime.start()
  await runtime.drain()
  await metrics?.text(runtime.view)
  await runtime.close()
  metrics?.close()
}
