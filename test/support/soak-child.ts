// Runs the document pipeline for an hour of a fast clock, and prints as JSON what it holds on to. `soak-child.ts <folder> <cycles>`.
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '../../src/clock.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed, hash } from '../../src/embed/index.ts'
import { FileDocument } from '../../src/file-document.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { json, string } from '../../src/serde.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../src/topology/processor.ts'
import { dump } from './document-pipeline.ts'
import { FastClock } from './fast-clock.ts'
import { faultsOf } from './oracle.ts'
import { SoakLoad } from './soak-load.ts'
import type { SoakReport, SoakSample } from './soak-report.ts'

const [folder = '.', cycles = '10'] = process.argv.slice(2)
const minute = 60_000
const partitions = 4
const topic = 'documents'
const clock = new FastClock(60)
const load = new SoakLoad(partitions)
const warnings: string[] = []
process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`))

/** Every runtime that was made: what is closed must be collected. */
const runtimes: WeakRef<StreamRuntime>[] = []
let commits = 0
let deadLetters = 0
let beats = 0
const observer = {
  committed: () => void commits++,
  givenUp: () => void deadLetters++,
}

const broker = embeddedBroker({ directory: join(folder, 'log'), clock })
await broker.open()
const retention = { 'retention.ms': String(20 * minute) }
await broker.createTopics([
  { topic, partitions, settings: retention },
  { topic: 'index-dead-letter', partitions: 1, settings: retention },
])
const samples: SoakSample[] = []
for (let cycle = 0; cycle < Number(cycles); cycle++) {
  await live(cycle)
  samples.push(await sample('closed'))
}
const index = newIndex()
await index.open({ id: 'judge', dimensions: 32 })
const faults = faultsOf(load.latest, await dump(index))
await index.close()
await broker.close()
const report: SoakReport = { samples, faults, warnings, changes: load.changes, commits, deadLetters, beats }
process.stdout.write(JSON.stringify(report))

/** Six minutes: an instance starts, another one joins and leaves, and the first one closes. Every other time they are exactly once. */
async function live(cycle: number): Promise<void> {
  const processingGuarantee = cycle % 2 === 0 ? 'at_least_once' : 'exactly_once'
  const first = await start('first', processingGuarantee)
  await feed(2 * minute)
  const second = await start('second', processingGuarantee)
  await feed(2 * minute)
  await second.close()
  await feed(2 * minute)
  await first.drain()
  samples.push(await sample('running'))
  await first.close()
}

async function start(name: string, processingGuarantee: 'at_least_once' | 'exactly_once'): Promise<StreamRuntime> {
  const runtime = new StreamRuntime({
    topology: topologyOf(),
    broker,
    clock,
    observer,
    application: 'index',
    stateDirectory: join(folder, name),
    processingGuarantee,
    // On this clock the wall's delays are sixty times as long.
    closeDeadlineMs: 10 * minute,
    rebalanceTimeoutMs: 20 * minute,
    processingDeadlineMs: 30 * minute,
  })
  runtimes.push(new WeakRef(runtime))
  await runtime.start()
  return runtime
}

function newIndex() {
  return sqliteIndex({ path: join(folder, 'index.db') })
}

function topologyOf() {
  const index = newIndex()
  const builder = new TopologyBuilder()
  builder
    .stream(topic, kafka({ topic, key: string, value: json(FileDocument) }))
    .process(dedupe('unchanged'))
    .process(heart())
    .process(chunk('chunks', { text: (document) => document.text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 32 })))
    .to('index', index)
  return builder.build()
}

/** Writes the time into a store, on both scales. */
function heart(): ProcessorSupplier<string, FileDocument, string, FileDocument> {
  return {
    name: 'heart',
    operator: 'heart',
    stores: [{ kind: 'key-value', name: 'heart', key: string, value: string }],
    create: () => ({
      init(context) {
        const store = context.store<KeyValueStore<string, string>>('heart')
        for (const scale of ['wall-clock', 'stream-time'] as const) {
          context.schedule(10_000, scale, (timeMs) => {
            beats++
            store.put(scale, String(timeMs))
          })
        }
      },
      process: (record, context) => context.forward(record),
    }),
  }
}

/** Ten changes every five seconds, through a producer of their own. */
async function feed(durationMs: number): Promise<void> {
  const producer = await broker.producer()
  for (const until = clock.now() + durationMs; clock.now() < until; ) {
    await producer.send(Array.from({ length: 10 }, () => load.next(topic, clock.now())))
    await delay(clock, 5_000)
  }
  await producer.close()
}

/** The least of some looks with the clock stopped: what is held is in each, the work of a moment and garbage are not. */
async function sample(when: SoakSample['when']): Promise<SoakSample> {
  clock.stop()
  const looks: NodeJS.MemoryUsage[] = []
  for (let look = 0; look < 8; look++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
    looks.push(process.memoryUsage())
  }
  clock.go()
  const least = (measure: 'heapUsed' | 'external' | 'rss') => Math.min(...looks.map((look) => look[measure]))
  return {
    when,
    heapUsed: least('heapUsed'),
    external: least('external'),
    rss: least('rss'),
    resources: process.getActiveResourcesInfo().length,
    files: openFiles(),
    timers: clock.pending,
    runtimes: runtimes.filter((runtime) => runtime.deref()).length,
  }
}

/** Table files of LevelDB aside: how many are open is the cache's affair, and bounded. */
function openFiles(): number {
  const isCounted = (id: string) => {
    try {
      return !readlinkSync(`/proc/self/fd/${id}`).endsWith('.ldb')
    } catch {
      return false
    }
  }
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').filter(isCounted).length : 0
}
