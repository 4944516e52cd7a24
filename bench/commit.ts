import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, delay, systemClock } from '../src/clock.ts'
import { embeddedBroker } from '../src/connectors/embedded/broker.ts'
import type { Broker, TopicPartition } from '../src/runtime/broker.ts'
import { StreamRuntime } from '../src/runtime/stream-runtime.ts'
import { book500, type ChangeEvent, changeStream } from '../test/support/change-stream.ts'
import { produceEvents } from '../test/support/document-pipeline.ts'
import { type Figure, rounded } from './measure.ts'
import { nothingTopology } from './pipeline.ts'
import { profiled } from './profile.ts'

const place = { topic: 'documents', partitions: 20 }
const commitIntervalMs = 1_000
/** Longer than any round. */
const neverMs = 1_000_000_000
/** Of the change stream under other keys, so that a round lasts several intervals. */
const copies = 8
const rounds = 8

/** `function file` of what a commit is below or goes on in after waiting: nothing else writes while the documents are processed. */
const commitWork =
  /(runtime\/(checkpoint|retry)|embedded\/group-commit)\.ts$|^(persist|commit|cut|#cut|#commit\w*) .*\/src\//

interface Round {
  /** CPU times: of all threads, of those for input and output, of the main thread inside commits. */
  readonly cpuMs: number
  readonly ioMs: number
  readonly commitMs: number
  readonly commits: number
}

interface Pair {
  readonly every: Round
  readonly never: Round
}

/**
 * What commits of 20 tasks once a second cost, as a share of the CPU time of a process that runs as fast as it can. Counted are the samples
 * of the main thread inside a commit, with changelogs, offsets and the local store, and what the threads for input and output do more than
 * in the same round without a commit. To compare whole rounds would show the noise of a round, which is larger.
 *
 * The denominator is the smallest there is: embedding and the index, which take most of the time in earnest, cost nothing.
 */
export async function commitCpu(): Promise<Figure> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const clock = busyClock()
  const broker = embeddedBroker({ directory: join(folder, 'log'), clock })
  await broker.open()
  await broker.createTopics([place])
  const events = manyDocuments()
  await produceEvents(broker, events, place)
  const results: Pair[] = []
  for (let round = 0; round <= rounds; round++) {
    const run = (intervalMs: number) => {
      const application = `run-${round}-${intervalMs}`
      return measure({ broker, clock, application, stateDirectory: join(folder, application), intervalMs })
    }
    const first = round % 2 === 0 ? await run(commitIntervalMs) : undefined
    const never = await run(neverMs)
    const every = first ?? (await run(commitIntervalMs))
    if (round > 0) results.push({ every, never })
  }
  await broker.close()
  await rm(folder, { recursive: true })
  return figureOf(results, events.length)
}

function figureOf(results: readonly Pair[], documents: number): Figure {
  const sum = (count: (pair: Pair) => number) => results.reduce((total, pair) => total + count(pair), 0)
  const cpuMs = sum(({ every }) => every.cpuMs)
  const main = sum(({ every }) => every.commitMs) / cpuMs
  const threads = sum(({ every, never }) => every.ioMs - never.ioMs) / cpuMs
  const commits = sum(({ every }) => every.commits)
  return {
    figure: 'commit.cpu',
    value: rounded(main + threads),
    unit: 'share',
    detail: `of the CPU time of a pipeline at full rate, 20 tasks, an interval of ${commitIntervalMs} ms of that time, no-op embedder and index: main thread ${rounded(main)}, threads for input and output ${rounded(threads)}; ${documents * results.length} versions of documents and ${commits} commits in ${rounded(cpuMs / 1000)} s`,
  }
}

interface RunOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly application: string
  readonly stateDirectory: string
  readonly intervalMs: number
}

async function measure({ intervalMs: commitIntervalMs, ...options }: RunOptions): Promise<Round> {
  let commits = 0
  const observer = { committed: () => void commits++ }
  const runtime = new StreamRuntime({
    ...options,
    topology: nothingTopology(),
    commitIntervalMs,
    maxGenerationBytes: 1_000_000_000,
    observer,
  })
  const { cpuMs, mainMs, ioMs, below } = await profiled(async () => {
    await runtime.start()
    await untilCaughtUp(runtime, options.broker)
  })
  await runtime.kill()
  return { cpuMs, ioMs, commitMs: mainMs * below(commitWork), commits }
}

/** Everything is processed, not committed: a drain would cut and commit. */
async function untilCaughtUp({ tasks }: StreamRuntime, broker: Broker): Promise<void> {
  const ends = await broker.offsets(tasks.flatMap((task) => task.partitions))
  const endOf = ({ partition }: TopicPartition) => ends.find((end) => end.partition === partition)?.latest
  while (!tasks.every((task) => task.caughtUp && task.hasReached(endOf))) await delay(systemClock, 10)
}

/** Time that stands still while the process waits for a processor: what else the machine does makes no interval shorter. */
function busyClock(): Clock {
  const startMs = Date.now()
  const start = process.threadCpuUsage()
  const busyMs = () => {
    const { user, system } = process.threadCpuUsage(start)
    return Math.floor((user + system) / 1000)
  }
  return { now: () => startMs + busyMs(), after: systemClock.after }
}

function manyDocuments(): ChangeEvent[] {
  const events = changeStream(book500)
  const copy = (number: number) => events.map((event) => ({ ...event, key: `${number}/${event.key}` }))
  return Array.from({ length: copies }, (_, number) => copy(number)).flat()
}
