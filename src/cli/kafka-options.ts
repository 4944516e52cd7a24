import type { Command } from 'commander'
import type { KafkaBrokerOptions } from '../connectors/kafka/broker.ts'
import { loadKafkaConnection, type Program } from './load-program.ts'

/** What every command that talks to Kafka takes. */
export interface KafkaOptions {
  readonly brokers?: string
  readonly kafka?: string
}

export function withKafkaOptions(command: Command): Command {
  return command
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: those of the file, else KAFKA_BROKERS, else 127.0.0.1:9092)',
    )
    .option(
      '--kafka <file>',
      'how to reach them (TLS, SASL): a pipeline (.yaml), or a file with its section `kafka` (default: what the pipeline says)',
    )
}

/**
 * How to reach Kafka: as the file of `--kafka` says, else as the program does, at the addresses of `--brokers` where those are given.
 * Secrets stand in files, never on the command line, which other users of the machine may see. Throws TOPOLOGY_FILE, CONFIG_INVALID.
 */
export async function kafkaOptionsOf(
  { brokers, kafka: file }: KafkaOptions,
  program: Pick<Program, 'kafka'> = {},
): Promise<KafkaBrokerOptions> {
  const connection = file === undefined ? program.kafka : await loadKafkaConnection(file)
  const elsewhere = connection?.brokers ?? addressesIn(process.env.KAFKA_BROKERS || '127.0.0.1:9092')
  return { ...connection, brokers: brokers === undefined ? elsewhere : addressesIn(brokers) }
}

function addressesIn(list: string): readonly string[] {
  return list.split(',').map((address) => address.trim())
}
