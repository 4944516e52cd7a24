import { Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../clock.ts'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import { StreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import { FeedRunner } from '../runtime/feed-runner.ts'
import { plainLogger } from './logger.ts'
import { ProgressDisplay } from './progress.ts'
import { feedOf } from './source-feed.ts'
import { onStopSignal } from './stop-signals.ts'

interface ProduceOptions {
  readonly topic: string
  readonly brokers: string
  readonly partitions?: number
}

export function produceCommand(): Command {
  return new Command('produce')
    .description(
      'Write a folder or a change stream to a Kafka topic: key = path, value = JSON {path, text}, null = deleted.',
    )
    .argument('<source>', 'folder, or change stream (.jsonl, .jsonl.gz, .jsonl.br)')
    .requiredOption('--topic <name>', 'topic to write')
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas',
      process.env.KAFKA_BROKERS ?? '127.0.0.1:9092',
    )
    .option('--partitions <number>', 'create the topic with so many partitions if it does not exist', partitionCount)
    .action(produce)
}

async function produce(path: string, { topic, brokers, partitions }: ProduceOptions): Promise<void> {
  const feed = await feedOf(path, { watch: false })
  await using broker = kafkaBroker({ brokers: brokers.split(','), logger: plainLogger })
  await broker.open()
  await ensureTopic(broker, topic, partitions)
  const stop = new AbortController()
  const release = onStopSignal(() => stop.abort())
  let written = 0
  const progress = new ProgressDisplay(systemClock, () => ({ label: 'producing', done: written }))
  try {
    await new FeedRunner({
      feed,
      broker,
      topic,
      clock: systemClock,
      onBatch: (records) => (written += records),
      onProblem: ({ place, reason }) => process.stderr.write(`skipped ${place}: ${reason}\n`),
    }).run(stop.signal)
  } finally {
    progress.stop()
    release()
  }
  const { changed, deleted, skipped } = feed.stats
  process.stdout.write(`${JSON.stringify({ topic, written, documents: changed, deleted, skipped })}\n`)
}

async function ensureTopic(broker: Broker, topic: string, partitions: number | undefined): Promise<void> {
  if ((await broker.topics([topic])).has(topic)) return
  if (partitions === undefined) {
    throw new StreamError('TOPIC_MISSING', `${broker.name} has no topic "${topic}"`, {
      fix: 'Create it, or give --partitions.',
    })
  }
  await broker.createTopics([{ topic, partitions, cleanup: 'compact' }])
}

function partitionCount(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number from 1.')
  return number
}
