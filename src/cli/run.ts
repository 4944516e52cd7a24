import { basename } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { type RuntimeSettings, runtimeSettings } from '../config.ts'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import { StreamRuntime } from '../runtime/stream-runtime.ts'
import { loadTopology } from './load-topology.ts'
import { jsonLogger } from './logger.ts'
import { onStopSignal } from './stop-signals.ts'

interface RunOptions {
  readonly brokers: string
  readonly application?: string
  readonly state: string
  readonly set: Partial<RuntimeSettings>
  readonly verbose?: true
}

export function runCommand(): Command {
  return new Command('run')
    .description('Run a topology file on Kafka until it is told to stop (SIGINT, SIGTERM).')
    .argument('<file>', 'topology file (TypeScript or JavaScript) with a topology as its default export')
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas',
      process.env.KAFKA_BROKERS ?? '127.0.0.1:9092',
    )
    .option(
      '--application <name>',
      'names consumer group, internal topics and state (default: the file without its ending)',
    )
    .option('--state <folder>', 'folder for the local stores', '.millrace/state')
    .option('--set <name=value>', 'a setting of the runtime (docs/reference.md), repeatable', collectSetting, {})
    .option('--verbose', 'log every detail')
    .action(async (file: string, options: RunOptions) => {
      const topology = await loadTopology(file)
      const logger = jsonLogger(options.verbose ? 'debug' : 'info')
      await using broker = kafkaBroker({ brokers: options.brokers.split(','), logger })
      await broker.open()
      const application = options.application ?? basename(file).replace(/\.[^.]*$/, '')
      const settings = { application, stateDirectory: options.state, ...options.set }
      const runtime = new StreamRuntime({ topology, broker, logger, ...settings })
      runtime.onStateChange((state) => logger.info({ state, application }, `the runtime is ${state}`))
      const release = onStopSignal(() => void runtime.close())
      await runtime.start()
      await runtime.finished
      release()
    })
}

/** `commitIntervalMs=500` -> { commitIntervalMs: 500 }; the values themselves are checked with all other settings. */
function collectSetting(text: string, previous: Partial<RuntimeSettings>): Partial<RuntimeSettings> {
  const [name = '', ...rest] = text.split('=')
  if (!(name in runtimeSettings.shape) || rest.length === 0) {
    throw new InvalidArgumentError(`Known are ${Object.keys(runtimeSettings.shape).join(', ')}, as name=value.`)
  }
  const value = rest.join('=')
  return { ...previous, [name]: /^\d+$/.test(value) ? Number(value) : value }
}
