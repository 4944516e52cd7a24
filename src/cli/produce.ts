import { Command } from 'commander'
import { systemClock } from '../clock.ts'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import { StreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import { FeedRunner } from '../runtime/resources/feed-runner.ts'
import { type KafkaOptions, kafkaOptionsOf, withKafkaOptions } from './kafka-options.ts'
import { plainLogger } from './logger.ts'
import { ProgressDisplay } from './progress.ts'
import { sourceAt } from './source-feed.ts'
import { StopSignals } from './stop-signals.ts'
import { wholeNumber } from './whole-number.ts'

interface ProduceOptions extends KafkaOptions {
  readonly topic: string
  readonly partitions?: number
  readonly cursorTopic?: string
  readonly allowEmpty?: true
}

export function produceCommand(): Command {
  const command = new Command('produce')
    .description(
      'Write what is new in a folder or a change stream to a Kafka topic: key = path, value = JSON {path, text}, null = deleted.',
    )
    .argument('<source>', 'folder, or change stream (.jsonl, .jsonl.gz, .jsonl.br)')
    .requiredOption('--topic <name>', 'topic to write')
  return withKafkaOptions(command)
    .option('--partitions <number>', 'create the topic with so many partitions if it does not exist', wholeNumber)
    .option(
      '--cursor-topic <name>',
      'keeps what was written, so that the next run goes on from there (default: <topic>-cursor)',
    )
    .option('--allow-empty', 'delete all documents of a folder that has lost its files')
    .action(produce)
}

async function produce(path: string, options: ProduceOptions): Promise<void> {
  const { topic, partitions, cursorTopic = `${topic}-cursor`, allowEmpty = false } = options
  using stop = new StopSignals(() => process.stderr.write('stopping; the same signal again ends at once\n'))
  const { feed } = await sourceAt(path, { allowEmpty })
  await using broker = kafkaBroker({ ...(await kafkaOptionsOf(options)), logger: plainLogger })
  await broker.open()
  await ensureTopic(broker, topic, partitions)
  let written = 0
  let skipped = 0
  const progress = new ProgressDisplay(systemClock, () => ({ label: 'producing', done: written }))
  const runner = new FeedRunner({
    feed,
    broker,
    topic,
    cursorTopic,
    clock: systemClock,
    onBatch: (records) => (written += records),
    onProblem: ({ place, reason }) => {
      skipped++
      process.stderr.write(`skipped ${place}: ${reason}\n`)
    },
  })
  try {
    await runner.run(stop.signal)
  } finally {
    progress.stop()
  }
  if (stop.signal.aborted) {
    process.stderr.write('stopped; run again to go on\n')
    process.exitCode = stop.exitCode
    return
  }
  const { changed, deleted, unchanged } = feed.stats
  process.stdout.write(`${JSON.stringify({ topic, written, documents: changed, unchanged, deleted, skipped })}\n`)
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
