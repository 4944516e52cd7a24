import { basename } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type RuntimeSettings, runtimeSettings } from '../config.ts'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import type { MetricLevel } from '../metrics.ts'
import { nearestName } from '../nearest-name.ts'
import { StreamRuntime } from '../runtime/stream-runtime.ts'
import { serveOperations } from '../serve/operations.ts'
import { RuntimeMetrics } from '../serve/runtime-metrics.ts'
import { RuntimeTracing } from '../serve/runtime-tracing.ts'
import { loadProgram, type Program } from './load-program.ts'
import { jsonLogger } from './logger.ts'
import { portNumber } from './port-number.ts'
import { doneBefore, StopSignals } from './stop-signals.ts'

interface RunOptions {
  readonly brokers?: string
  readonly application?: string
  readonly state?: string
  readonly set: Partial<RuntimeSettings>
  readonly port?: number
  readonly host: string
  readonly metrics: MetricLevel
  readonly verbose?: true
}

export function runCommand(): Command {
  return new Command('run')
    .description('Run a pipeline or a topology file on Kafka until it is told to stop (SIGINT, SIGTERM).')
    .argument('<file>', 'pipeline (.yaml), or file (TypeScript or JavaScript) with a topology as its default export')
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: those of the pipeline, else KAFKA_BROKERS, else 127.0.0.1:9092)',
    )
    .option(
      '--application <name>',
      'names consumer group, internal topics and state (default: that of the pipeline, else the file without its ending)',
    )
    .option('--state <folder>', 'folder for the local stores (default: that of the pipeline, else .millrace/state)')
    .option('--set <name=value>', 'a setting of the runtime (docs/reference.md), repeatable', collectSetting, {})
    .option('--port <number>', 'serve /metrics, /livez, /readyz and /startupz there', portNumber)
    .option('--host <address>', 'the address that --port is opened on; 0.0.0.0 in a container', '127.0.0.1')
    .addOption(
      new Option('--metrics <level>', 'debug: also records in and out of every node')
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
  await using broker = kafkaBroker({ ...program.kafka, brokers: brokersOf(program, options), logger })
  const application = options.application ?? applicationOf(program, file)
  const settings = {
    ...program.settings,
    application,
    ...(options.state !== undefined && { stateDirectory: options.state }),
    ...options.set,
  }
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

/** What a program is called unless an option says otherwise: as in the pipeline, else like the file without its ending. */
export function applicationOf({ settings }: Pick<Program, 'settings'>, file: string): string {
  return settings?.application ?? basename(file).replace(/\.[^.]*$/, '')
}

export function brokersOf(
  { kafka }: Pick<Program, 'kafka'>,
  { brokers }: { readonly brokers?: string },
): readonly string[] {
  return brokers?.split(',') ?? kafka?.brokers ?? (process.env.KAFKA_BROKERS ?? '127.0.0.1:9092').split(',')
}

/** `commitIntervalMs=500` -> { commitIntervalMs: 500 }; the values themselves are checked with all other settings. */
function collectSetting(text: string, previous: Partial<RuntimeSettings>): Partial<RuntimeSettings> {
  const [name = '', ...rest] = text.split('=')
  if (!(name in runtimeSettings.shape) || rest.length === 0) {
    const known = Object.keys(runtimeSettings.shape)
    const nearest = nearestName(name, known)
    const hint = nearest === undefined || nearest === name ? '' : `Did you mean ${nearest}? `
    throw new InvalidArgumentError(`${hint}Known are ${known.join(', ')}, as name=value.`)
  }
  return { ...previous, [name]: settingValue(name as keyof RuntimeSettings, rest.join('=')) }
}

/** A number where the setting takes no text, so that what is said about it is about the number. */
function settingValue(name: keyof RuntimeSettings, text: string): string | number {
  const isText = runtimeSettings.shape[name].safeParse(text).success
  return isText || text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
}
