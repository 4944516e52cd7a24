import { Command, Option } from 'commander'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import type { MetricLevel } from '../metrics.ts'
import { StreamRuntime } from '../runtime/stream-runtime.ts'
import { serveOperations } from '../serve/operations.ts'
import { RuntimeMetrics } from '../serve/runtime-metrics.ts'
import { RuntimeTracing } from '../serve/runtime-tracing.ts'
import { kafkaOptionsOf } from './kafka-options.ts'
import { loadProgram } from './load-program.ts'
import { jsonLogger } from './logger.ts'
import { portNumber } from './port-number.ts'
import { type ProgramOptions, settingsOf, withProgramOptions } from './program-options.ts'
import { openQueries, type QueryOptions, withQueryOptions } from './query-options.ts'
import { doneBefore, StopSignals } from './stop-signals.ts'

interface RunOptions extends ProgramOptions, QueryOptions {
  readonly port?: number
  readonly host: string
  readonly metrics: MetricLevel
  readonly verbose?: true
}

export function runCommand(): Command {
  const command = new Command('run')
    .description('Run a pipeline or a topology file on Kafka until it is told to stop (SIGINT, SIGTERM).')
    .argument('<file>', 'pipeline (.yaml), or file (TypeScript or JavaScript) with a topology as its default export')
  return withQueryOptions(withProgramOptions(command))
    .option('--port <number>', 'serve /metrics, /livez, /readyz and /startupz there', portNumber)
    .option('--host <address>', 'the address that --port is opened on; 0.0.0.0 in a container', '127.0.0.1')
    .addOption(
      new Option('--metrics <level>', 'debug: also records in and out of every node, and times of store operations')
        .choices(['info', 'debug'])
        .default('info'),
    )
    .option('--verbose', 'log every detail')
    .action(run)
}

async function run(file: string, options: RunOptions): Promise<void> {
  using stop = new StopSignals()
  const logger = jsonLogger(options.verbose ? 'debug' : 'info')
  const program = await loadProgram(file, logger)
  const { topology } = program
  await using broker = kafkaBroker({ ...(await kafkaOptionsOf(options, program)), logger })
  const settings = settingsOf(program, file, options)
  const { application } = settings
  const metrics =
    options.port === undefined ? undefined : new RuntimeMetrics({ topology, application, level: options.metrics })
  const tracer = new RuntimeTracing({ application })
  // Checks the settings: what is wrong with them is told without a broker.
  const runtime = new StreamRuntime({
    topology,
    broker,
    logger,
    tracer,
    ...settings,
    ...(metrics && { observer: metrics }),
  })
  await using _ =
    metrics && (await serveOperations({ runtime, metrics, logger, host: options.host, port: options.port }))
  await using __ = await openQueries(runtime, options, logger)
  // Nothing is begun yet, and a connection that is being made cannot be called back.
  if (!(await doneBefore(stop.signal, broker.open()))) process.exit(0)
  runtime.onStateChange((state) => logger.info({ state, application }, `the runtime is ${state}`))
  const closeFailed = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => void runtime.close().catch(reject))
  })
  closeFailed.catch(() => undefined)
  try {
    await runtime.start()
  } catch (error) {
    // A start that was called off is an end like any other.
    if (!stop.signal.aborted) throw error
  }
  await Promise.race([runtime.finished, closeFailed])
}
