import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { systemClock } from '../src/clock.ts'
import { embeddedBroker } from '../src/connectors/embedded/broker.ts'
import { noHeaders } from '../src/record.ts'
import type { Broker, ReadBatch } from '../src/runtime/broker.ts'
import { restoreTask } from '../src/runtime/copies/restorer.ts'
import { bytes } from '../src/serde.ts'
import { changelogTopic } from '../src/state/changelog.ts'
import { openLevelStore } from '../src/state/level-store.ts'
import type { StoreSpec } from '../src/state/store.ts'
import { TaskState } from '../src/state/task-state.ts'
import { compare, type Figure, rounded } from './measure.ts'

const application = 'bench'
const spec: StoreSpec = { kind: 'key-value', name: 'manifests', key: bytes, value: bytes }
const changelog = { topic: changelogTopic(application, spec.name), partition: 0 }
const recordCount = 20_000
const rounds = 15
/** About as large as the manifest of a document of ten chunks. */
const valueBytes = 300
const sentTogether = 1_000

/** A store that lost its disk against LevelDB that is given the same records in the same batches, both in a new folder every round. */
export async function restoreRate(): Promise<Figure> {
  await using broker = embeddedBroker()
  await broker.open()
  await fill(broker)
  const batches = await Array.fromAsync(broker.read(changelog, 0))
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => inNewFolder((folder) => restore(broker, folder)),
    baseline: () => inNewFolder((folder) => writeRaw(batches, folder)),
    rounds,
  })
  const perSecond = (milliseconds: number) => `${rounded(recordCount / milliseconds)}k records/s`
  return {
    figure: 'restore.rate',
    value: rounded(speedup),
    unit: 'x',
    detail: `restoreTask of ${recordCount} records from a log in memory to LevelDB (${perSecond(subjectMs)}) against raw batch puts of the same (${perSecond(baselineMs)})`,
  }
}

async function fill(broker: Broker): Promise<void> {
  await broker.createTopics([{ topic: changelog.topic, partitions: 1, cleanup: 'compact' }])
  const producer = await broker.producer()
  for (let start = 0; start < recordCount; start += sentTogether) {
    const records = Array.from({ length: sentTogether }, (_, index) => ({
      ...changelog,
      key: Buffer.from(`guide/chapter-${((start + index) * 7919) % recordCount}.md`),
      value: Buffer.alloc(valueBytes, index % 251),
      timestamp: 1,
      headers: noHeaders,
    }))
    await producer.send(records)
  }
  await producer.close()
}

async function restore(broker: Broker, folder: string): Promise<void> {
  await using state = await TaskState.open({ stores: [spec], openDisk: () => openLevelStore(folder) })
  await restoreTask({
    application,
    task: '0_0',
    partition: 0,
    offsets: [],
    stores: [spec],
    state,
    broker,
    observer: {},
    clock: systemClock,
    signal: new AbortController().signal,
  })
}

async function writeRaw(batches: readonly ReadBatch[], folder: string): Promise<void> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  for (const { records } of batches) {
    const puts = records.flatMap(({ key, value }) => (key && value ? [{ type: 'put' as const, key, value }] : []))
    await level.batch(puts)
  }
  await level.close()
}

async function inNewFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  await work(folder)
  await rm(folder, { recursive: true })
}
