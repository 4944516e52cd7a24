import type { Command } from 'commander'
import { deadLetterTopicOf, parseSettings } from '../../config.ts'
import { kafkaBroker } from '../../connectors/kafka/broker.ts'
import { StreamError } from '../../errors.ts'
import type { Broker } from '../../runtime/broker.ts'
import type { LetterFilter } from '../../runtime/dead-letters/dead-letter-topic.ts'
import { names } from '../documents.ts'
import { openIdleLog } from '../idle-log.ts'
import { type KafkaOptions, kafkaOptionsOf, withKafkaOptions } from '../kafka-options.ts'
import { loadProgram, type Program } from '../load-program.ts'
import { plainLogger } from '../logger.ts'
import { shellWord } from '../own-name.ts'
import { applicationOf } from '../program-options.ts'
import { defaultDataDirectory } from '../workspace.ts'

/** Where a command finds the dead letters. */
export interface LetterSource extends KafkaOptions {
  readonly application?: string
  readonly topic?: string
  readonly data: string
}

/** The dead letters of an application, and the log that they lie in. */
export interface LetterTopic extends AsyncDisposable {
  readonly application: string
  readonly topic: string
  /** Where the topic is, for people: a cluster, or the folder of `index`. */
  readonly place: string
  readonly broker: Broker
  /** They are those of `millrace index`: nothing runs that would take a letter that is put back. */
  readonly isWorkspace: boolean
}

export function withLetterSource(command: Command): Command {
  return withKafkaOptions(command)
    .argument('[file]', 'the pipeline or topology file that `run` was given')
    .option('--application <name>', 'the application on Kafka (default: as for `run`)')
    .option('--topic <name>', 'the dead-letter topic (default: that of the pipeline, else <application>-dead-letter)')
    .option('--data <folder>', 'the folder that `index` filled, without a file or an application', defaultDataDirectory)
}

export function withLetterFilter(command: Command): Command {
  return command
    .option('--code <code>', 'only letters with this error code')
    .option('--key <key>', 'only letters with this key')
    .option('--source <topic>', 'only letters of records of this topic')
}

/** A source of letters as it was named, for the command line of another command: a blank before each word. */
export function sourceWords(file: string | undefined, options: LetterSource): string {
  const { application, topic, brokers, kafka } = options
  const data = options.data === defaultDataDirectory ? undefined : options.data
  const named = Object.entries({ application, topic, brokers, kafka, data })
  const words = [file, ...named.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))]
  return words.map((word) => (word === undefined ? '' : ` ${shellWord(word)}`)).join('')
}

/** Options that are not given must not be there at all. */
export function filterOf({ code, key, source }: LetterFilter): LetterFilter {
  return {
    ...(code !== undefined && { code }),
    ...(key !== undefined && { key }),
    ...(source !== undefined && { source }),
  }
}

/**
 * The letters on Kafka of the application that a file or `--application` names; else those of the folder `--data`. Throws
 * BROKER_UNREACHABLE, INDEX_MISSING, STATE_LOCKED while another process works in the folder.
 */
export async function openLetters(file: string | undefined, options: LetterSource): Promise<LetterTopic> {
  const isKafka = file !== undefined || options.application !== undefined
  if (isKafka) return onKafka(file, options)
  const alone = (['brokers', 'kafka'] as const).find((name) => options[name] !== undefined)
  if (alone !== undefined)
    throw new StreamError('USAGE', `--${alone} alone says not whose dead letters are meant`, {
      fix: 'Name the pipeline file, or the application with --application.',
    })
  return inWorkspace(options)
}

async function onKafka(file: string | undefined, options: LetterSource): Promise<LetterTopic> {
  const program: Partial<Program> = file === undefined ? {} : await loadProgram(file)
  const application = options.application ?? applicationOf(program, file ?? '')
  const settings = parseSettings({ ...program.settings, application })
  const broker = kafkaBroker({ ...(await kafkaOptionsOf(options, program)), logger: plainLogger })
  await broker.open()
  const topic = options.topic ?? deadLetterTopicOf(settings)
  return {
    application,
    topic,
    place: broker.name,
    broker,
    isWorkspace: false,
    [Symbol.asyncDispose]: () => broker.close(),
  }
}

const nobodyNamed =
  'Name the pipeline or topology file of an application on Kafka, or with --data the folder that `index` has filled.'

async function inWorkspace({ data, topic }: LetterSource): Promise<LetterTopic> {
  const log = await openIdleLog(data, nobodyNamed)
  const { application } = names
  const own = deadLetterTopicOf(parseSettings({ application }))
  return { ...log, application, topic: topic ?? own, place: `folder ${data}`, isWorkspace: true }
}
