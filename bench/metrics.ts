import { StreamRuntime, type StreamRuntimeOptions } from '../src/runtime/stream-runtime.ts'
import { RuntimeMetrics } from '../src/serve/runtime-metrics.ts'
import { RuntimeTracing } from '../src/serve/runtime-tracing.ts'
import { book500, changeStream } from '../test/support/change-stream.ts'
import { DocumentLog, type LogRun } from './document-log.ts'
import { compare, type Figure, rounded } from './measure.ts'
import { nothingTopology } from './pipeline.ts'

const events = changeStream(book500)
const rounds = 25

/** What metrics of level info cost, with a scrape of each run, which is far more often than Prometheus asks. */
export function metricsOverhead(): Promise<Figure> {
  return overhead('metrics.overhead', 'metrics', async (run) => {
    const metrics = new RuntimeMetrics({ topology: nothingTopology(), application: run.application })
    await runPipeline(run, { observer: metrics }, (runtime) => metrics.text(runtime.view))
    metrics.close()
  })
}

/** What tracing costs who has no use for it: the calls of the API of OpenTelemetry, without an SDK behind them. */
export function tracingOverhead(): Promise<Figure> {
  return overhead('tracing.overhead', 'tracing and no SDK', (run) =>
    runPipeline(run, { tracer: new RuntimeTracing(run) }),
  )
}

async function overhead(figure: string, what: string, subject: (run: LogRun) => Promise<void>): Promise<Figure> {
  await using log = await DocumentLog.write(events)
  const { speedup, subjectMs, baselineMs } = await compare({
    clock: 'cpu',
    rounds,
    subject: () => subject(log.nextRun()),
    baseline: () => runPipeline(log.nextRun()),
  })
  return {
    figure,
    value: rounded(1 / speedup),
    unit: 'x',
    detail: `CPU time of the whole pipeline (embedded log on disk, LevelDB state, no-op embedder and index) with ${what} / without, ${events.length} versions of documents; ${rounded(subjectMs)} and ${rounded(baselineMs)} ms`,
  }
}

async function runPipeline(
  run: LogRun,
  watched: Pick<StreamRuntimeOptions, 'observer' | 'tracer'> = {},
  atTheEnd: (runtime: StreamRuntime) => Promise<unknown> = async () => undefined,
): Promise<void> {
  const runtime = new StreamRuntime({ topology: nothingTopology(), ...run, ...watched })
  await runtime.start()
  await runtime.drain()
  await atTheEnd(runtime)
  await runtime.close()
}
