import { basename } from 'node:path'
import { Command } from 'commander'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import { StreamRuntime } from '../runtime/stream-runtime.ts'
import { loadTopology } from './load-topology.ts'
import { jsonLogger } from './logger.ts'
import { onStopSignal } from './stop-signals.ts'

interface RunOptions {
  readonly brokers: string
  readonly application?: string
  readonly state: string
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
    .option('--verbose', 'log every detail')
    .action(async (file: string, options: RunOptions) => {
      const topology = await loadTopology(file)
      const logger = jsonLogger(options.verbose ? 'debug' : 'info')
      await using broker = kafkaBroker({ brokers: options.brokers.split(','), logger })
      await broker.open()
      const application = options.application ?? basename(file).replace(/\.[^.]*$/, '')
      const runtime = new StreamRuntime({ topology, broker, logger, application, stateDirectory: options.state })
      runtime.onStateChange((state) => logger.info({ state, application }, `the runtime is ${state}`))
      const release = onStopSignal(() => void runtime.close())
      await runtime.start()
      await runtime.finished
      release()
    })
}
