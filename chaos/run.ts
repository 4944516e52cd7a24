/** One run: start everything, replay the stream while the schedule hurts it, drain, stop, and collect what there is to judge. */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { kafkaBroker } from '../src/connectors/kafka/broker.ts'
import { qdrant } from '../src/connectors/qdrant/sink.ts'
import type { Broker } from '../src/runtime/broker.ts'
import { changeStream } from '../test/support/change-stream.ts'
import { dump } from '../test/support/document-pipeline.ts'
import { KafkaServer } from '../test/support/kafka-server.ts'
import type { DumpedPoint } from '../test/support/oracle.ts'
import { type QdrantDouble, startQdrantDouble } from '../test/support/qdrant-double.ts'
import { type CommitLog, readCommitLog } from './commit-log.ts'
import { type Delivery, deliveryOf, type Position, produce } from './delivery.ts'
import { countedEmbeddings } from './embeddings.ts'
import { Fleet } from './fleet.ts'
import { IndexWatch } from './index-watch.ts'
import type { Journal } from './journal.ts'
import { Random } from './random.ts'
import { type ChaosEvent, scheduleOf } from './schedule.ts'

export const guarantees = ['at_least_once', 'exactly_once'] as const

export interface ChaosOptions {
  readonly seed: number
  readonly minutes: number
  readonly stream: string
  /** What state and offsets get. */
  readonly guarantee: (typeof guarantees)[number]
  /** Nothing goes wrong: a look at the harness itself. */
  readonly calm: boolean
}

export interface ChaosPlan {
  readonly options: ChaosOptions
  readonly schedule: readonly ChaosEvent[]
  readonly delivery: Delivery
}

/** Everything that was seen; the judging is done afterwards. */
export interface ChaosFacts {
  readonly plan: ChaosPlan
  readonly topic: string
  /** States, logs and counters of the instances. */
  readonly folder: string
  readonly points: readonly DumpedPoint[]
  readonly watch: IndexWatch
  readonly log: CommitLog
  readonly positions: readonly Position[]
  /** Embeddings that each process made. */
  readonly embedded: ReadonlyMap<string, number>
  readonly counts: Fleet['counts']
  readonly deadLetters: number
  /** What processes did that they must not do. */
  readonly faults: readonly string[]
  readonly drainMs: number
  /** The longest that this process stood still, and with it the index: a request may land later by that than its sender thinks. */
  readonly longestStallMs: number
}

const partitions = 6
const sessionTimeoutMs = 5_000
const indexTimeoutMs = 2_000
const closeDeadlineMs = 5_000
const times = { sessionTimeoutMs, closeDeadlineMs, rebalanceTimeoutMs: 10_000, commitIntervalMs: 300 }
/** Closing within its deadline, then leaving the group and closing connections. */
const exitWithinMs = closeDeadlineMs + 15_000
const startWithinMs = 60_000
const drainWithinMs = 120_000
const application = 'chaos'
const topic = 'documents'
const collection = 'documents'

/** The same options give the same plan. */
export function planOf(options: ChaosOptions): ChaosPlan {
  const { seed, stream } = options
  const durationMs = options.minutes * 60_000
  const fleet = { initial: ['a', 'b', 'c'], spare: ['d', 'e'] }
  const schedule = options.calm ? [] : scheduleOf({ seed, durationMs, ...fleet, sessionTimeoutMs, indexTimeoutMs })
  const delivery = deliveryOf(changeStream(stream), { seed, partitions, durationMs }, new Random(seed + 1))
  return { options, schedule, delivery }
}

export async function runChaos(plan: ChaosPlan, journal: Journal): Promise<ChaosFacts> {
  const folder = await mkdtemp(join(tmpdir(), `millrace-chaos-${plan.options.seed}-`))
  await mkdir(folder, { recursive: true })
  const watch = new IndexWatch()
  await using kafka = await KafkaServer.start()
  await using double = await startQdrantDouble({ onHandled: (request) => watch.handled(request), maxLoggedBytes: 0 })
  await using broker = kafkaBroker({ brokers: [kafka.address] })
  await broker.open()
  await broker.createTopics([{ topic, partitions, cleanup: 'compact', settings: eagerCompaction }])
  const faults: string[] = []
  const onFault = (fault: string) => {
    journal.add(`FAULT: ${fault}`)
    faults.push(fault)
  }
  const settings = { ...times, processingGuarantee: plan.options.guarantee }
  const place = { kafka, double, folder, journal, onFault, initial: ['a', 'b', 'c'] }
  const fleet = new Fleet({ ...place, application, topic, settings, indexTimeoutMs, exitWithinMs })
  // Whoever interrupts the harness must not leave frozen processes behind.
  process.once('exit', () => fleet.dispose())
  try {
    await fleet.start(startWithinMs)
    const stalls = monitorEventLoopDelay({ resolution: 10 })
    stalls.enable()
    journal.start()
    journal.add('all instances run; the stream begins')
    const producing = produce(broker, plan.delivery, { topic, partitions, onProblem: (text) => journal.add(text) })
    await hurt(plan.schedule, fleet)
    const positions = await producing
    await fleet.heal()
    const drainMs = await drain(broker, onFault)
    journal.add(`drained after ${drainMs} ms`)
    await fleet.stop()
    const log = await readCommitLog(broker, application)
    const points = await pointsOf(double)
    if (points.length !== watch.size)
      onFault(`the watch has seen ${watch.size} points, the index holds ${points.length}`)
    const deadLetters = await countDeadLetters(broker)
    const { counts } = fleet
    const embedded = countedEmbeddings(folder)
    const longestStallMs = Math.round(stalls.max / 1e6)
    const seen = { points, watch, log, positions, embedded, counts, deadLetters, faults }
    return { plan, topic, folder, ...seen, drainMs, longestStallMs }
  } finally {
    fleet.dispose()
  }
}

/** The log is compacted while it is read: a replay may not find what the crashed run had read. */
const eagerCompaction = { 'segment.bytes': '1048576', 'min.cleanable.dirty.ratio': '0.01' }

async function hurt(schedule: readonly ChaosEvent[], fleet: Fleet): Promise<void> {
  const startedAt = Date.now()
  for (const event of schedule) {
    await pause(Math.max(0, startedAt + event.at - Date.now()))
    fleet.perform(event)
  }
}

/** Resolves when everything in the log is committed, with the time that it took. */
async function drain(broker: Broker, onFault: (fault: string) => void): Promise<number> {
  const startedAt = Date.now()
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  while (true) {
    const [ends, committed] = await Promise.all([broker.offsets(all), broker.committed(application, all)])
    const behind = ends.map((end, at) => end.latest - (committed[at]?.offset ?? 0))
    const drainMs = Date.now() - startedAt
    if (behind.every((records) => records <= 0)) return drainMs
    if (drainMs > drainWithinMs) {
      onFault(`not drained after ${drainMs} ms; records behind, by partition: ${behind.join(', ')}`)
      return drainMs
    }
    await pause(100)
  }
}

async function pointsOf(double: QdrantDouble): Promise<DumpedPoint[]> {
  const index = qdrant({ collection, url: double.url, readOnly: true })
  await index.open({ id: '', dimensions: 32 })
  try {
    return await dump(index)
  } finally {
    await index.close()
  }
}

async function countDeadLetters(broker: Broker): Promise<number> {
  const topics = await broker.topics([`${application}-dead-letter`])
  const places = [...topics.values()].flatMap((found) =>
    Array.from({ length: found.partitions }, (_, partition) => ({ topic: found.topic, partition })),
  )
  const ends = await broker.offsets(places)
  return ends.reduce((sum, { earliest, latest }) => sum + latest - earliest, 0)
}
