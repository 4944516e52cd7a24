import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { embeddedBroker } from '../connectors/embedded/broker.ts'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import { StreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import { type KafkaOptions, kafkaOptionsOf } from './kafka-options.ts'
import type { Program } from './load-program.ts'
import { plainLogger } from './logger.ts'

/** The longest that a timer of Node takes. */
const longestTimerMs = 2 ** 31 - 1

/** Which log an application works on. */
export interface LogOptions extends KafkaOptions {
  readonly log?: string
}

export function withLogOption(command: Command): Command {
  return command.option('--log <folder>', 'an embedded log in this folder, instead of Kafka')
}

/** Kafka, or the embedded log in a folder; not open yet. Throws USAGE for both, and for a folder without a log. */
export async function logOf(program: Program, options: LogOptions): Promise<Broker> {
  const { log: directory, brokers, kafka } = options
  if (directory === undefined) return kafkaBroker({ ...(await kafkaOptionsOf(options, program)), logger: plainLogger })
  if (brokers !== undefined || kafka !== undefined)
    throw new StreamError('USAGE', '--log and Kafka are two different logs', { fix: 'Give one of them.' })
  // Every LevelDB has this file; opening the log would make one.
  if (!existsSync(join(directory, 'CURRENT')))
    throw new StreamError('USAGE', `there is no log in ${directory}`, { fix: 'Name the folder of an embedded log.' })
  // Nothing may be compacted or expired by a look.
  return embeddedBroker({ directory, cleanIntervalMs: longestTimerMs })
}
