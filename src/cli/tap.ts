import { stat } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../clock.ts'
import { parseSettings } from '../config.ts'
import { kafkaBroker } from '../connectors/kafka/broker.ts'
import { hash } from '../embed/index.ts'
import type { Broker } from '../runtime/broker.ts'
import { documentTopology, names } from './documents.ts'
import { openIdleLog } from './idle-log.ts'
import { type KafkaOptions, kafkaOptionsOf, withKafkaOptions } from './kafka-options.ts'
import { loadProgram } from './load-program.ts'
import { plainLogger } from './logger.ts'
import { applicationOf } from './program-options.ts'
import { StopSignals } from './stop-signals.ts'
import { type TapStart, tapStart } from './tap/positions.ts'
import { tapRecords } from './tap/records.ts'
import { keyText, recordText, type ShownRecord, shownRecord } from './tap/tapped-record.ts'
import { type TappedTopic, topicNamed, topicsOf } from './tap/tapped-topic.ts'
import { wholeNumber } from './whole-number.ts'
import { indexForReading, workspaceAt } from './workspace.ts'

interface TapCommandOptions extends KafkaOptions {
  readonly application?: string
  readonly from?: TapStart
  readonly partition?: number
  readonly limit?: number
  readonly key?: string
  readonly follow: boolean
  readonly json?: true
}

export function tapCommand(): Command {
  const command = new Command('tap')
    .description(
      'Follow the records of a topic of a program, decoded as the program would. Joins no group, commits nothing.',
    )
    .argument('<file>', 'the pipeline or topology file that `run` was given, or the folder that `index` has filled')
    .argument('<node>', 'a node, a store or a topic: source, sink, repartition, changelog; or dead-letter')
  return withKafkaOptions(command)
    .option('--application <name>', 'the application on Kafka (default: as for `run`)')
    .option('--from <place>', 'end, beginning, an offset, or a time (default: end; of a folder: beginning)', tapStart)
    .option('--partition <number>', 'only this partition', partitionNumber)
    .option('--limit <number>', 'end after so many records', wholeNumber)
    .option('--key <key>', 'only records with this key; one that is no text as JSON')
    .option('--no-follow', 'end where the log ends now')
    .option('--json', 'a line of JSON each, with the whole value')
    .action(tap)
}

/** The topics of a program, and the log that they are in. */
interface Tappable extends AsyncDisposable {
  readonly broker: Broker
  readonly topics: readonly TappedTopic[]
  /** Nobody else writes to it meanwhile. */
  readonly isStill: boolean
}

async function tap(file: string, node: string, options: TapCommandOptions): Promise<void> {
  using stop = new StopSignals()
  await using tappable = (await isFolder(file)) ? await inWorkspace(file) : await onKafka(file, node, options)
  const { broker, topics, isStill } = tappable
  const tapped = topicNamed(node, topics)
  const { from, partition, limit = Number.POSITIVE_INFINITY, key, follow, json = false } = options
  const start = from ?? { kind: isStill ? 'beginning' : 'end' }
  const tapping = { start, partition, follow: follow && !isStill, signal: stop.signal, clock: systemClock }
  let shown = 0
  for await (const record of tapRecords(broker, tapped.topic, tapping)) {
    const decoded = await shownRecord(record, tapped, stop.signal)
    if (key !== undefined && keyText(decoded) !== key) continue
    process.stdout.write(textOf(decoded, json))
    shown++
    if (shown >= limit) return
  }
}

const plainWidth = 200

function textOf(record: ShownRecord, json: boolean): string {
  return json ? `${JSON.stringify(record)}\n` : recordText(record, process.stdout.columns ?? plainWidth)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function onKafka(file: string, node: string, options: TapCommandOptions): Promise<Tappable> {
  const program = await loadProgram(file)
  const application = options.application ?? applicationOf(program, file)
  const topics = topicsOf(program.topology, parseSettings({ ...program.settings, application }))
  // What is named wrong is told without a broker.
  topicNamed(node, topics)
  const broker = kafkaBroker({ ...(await kafkaOptionsOf(options, program)), logger: plainLogger })
  await broker.open()
  return { broker, topics, isStill: false, [Symbol.asyncDispose]: () => broker.close() }
}

/** What `index` runs, without its index and its model: nothing is opened of them. */
async function inWorkspace(data: string): Promise<Tappable> {
  const log = await openIdleLog(
    data,
    'Name a pipeline or topology file, or the folder that `millrace index` has filled.',
  )
  const topology = documentTopology(indexForReading(workspaceAt(data)), hash())
  return { ...log, topics: topicsOf(topology, parseSettings({ application: names.application })), isStill: true }
}

function partitionNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be the number of a partition, from 0 on.')
  return Number(text)
}
