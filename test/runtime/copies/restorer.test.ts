import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker, ReadBatch, TopicPartition } from '../../../src/runtime/broker.ts'
import { restoreTask } from '../../../src/runtime/copies/restorer.ts'
import type { RestoredEvent, RestoreEvent } from '../../../src/runtime/observer.ts'
import { string } from '../../../src/serde.ts'
import { openLevelStore } from '../../../src/state/level-store.ts'
import type { StoreSpec } from '../../../src/state/store.ts'
import { TaskState } from '../../../src/state/task-state.ts'
import { overlaid } from '../../support/overlaid.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const spec = { kind: 'key-value', name: 'words', key: string, value: string } as StoreSpec
const changelog = { topic: 'app-words-changelog', partition: 0 }
const recordCount = 2_000

async function changelogOf(...keys: readonly (string | null)[]): Promise<Broker> {
  const broker = embeddedBroker({ clock: new ManualClock() })
  await broker.open()
  // Compaction, which would refuse a record without a key, stays out of these tests.
  await broker.createTopics([{ topic: changelog.topic, partitions: 1 }])
  const producer = await broker.producer()
  const change = { ...changelog, value: Buffer.from('value'), timestamp: 1, headers: noHeaders }
  await producer.send(keys.map((key) => ({ ...change, key: key === null ? null : Buffer.from(key) })))
  await producer.close()
  return broker
}

const manyKeys = Array.from({ length: recordCount }, (_, index) => `key ${index}`)

/** Lets a test act on every batch that is read. */
function reading(broker: Broker, onBatch: (batch: ReadBatch) => void): Broker {
  async function* read(partition: TopicPartition, from: number, signal?: AbortSignal) {
    for await (const batch of broker.read(partition, from, signal)) {
      onBatch(batch)
      yield batch
    }
  }
  return overlaid<Broker>(broker, { read })
}

const place = { application: 'app', task: '0_0', partition: 0, offsets: [], stores: [spec] } as const

/** Restores the store in a folder, and closes it. */
async function restore(folder: string, broker: Broker, signal = new AbortController().signal) {
  const events: RestoreEvent[] = []
  const ends: RestoredEvent[] = []
  const clock = new ManualClock()
  await using state = await TaskState.open({ stores: [spec], openDisk: () => openLevelStore(join(folder, '0_0')) })
  const observer = {
    restoring: (event: RestoreEvent) => {
      clock.advance(10)
      events.push(event)
    },
    restored: (event: RestoredEvent) => void ends.push(event),
  }
  const options = { ...place, state, broker, observer, clock, signal }
  const failure: unknown = await restoreTask(options).catch((error: unknown) => error)
  const words = state.view('words', () => 1)
  return { events, ends, failure, found: manyKeys.filter((key) => words.get(key) !== undefined).length }
}

describe('a restore', () => {
  test('tells of every batch what is left and how fast it goes, and at the end how long it took', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await changelogOf(...manyKeys)

    const { events, ends, found } = await restore(folder.path, broker)

    expect(found).toBe(recordCount)
    expect(events.map(({ restored }) => restored)).toEqual([500, 500, 500, 500])
    expect(events.map(({ remaining }) => remaining)).toEqual([1_500, 1_000, 500, 0])
    expect(events.every(({ recordsPerSecond }) => recordsPerSecond > 0)).toBe(true)
    expect(ends).toEqual([{ task: '0_0', records: recordCount, durationMs: 40 }])
  })

  test('has nothing left, and never less, when the changelog grows meanwhile', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await changelogOf(...manyKeys)
    const short = overlaid<Broker>(broker, { offsets: async () => [{ ...changelog, earliest: 0, latest: 700 }] })

    const { events } = await restore(folder.path, short)

    expect(events.map(({ remaining }) => remaining)).toEqual([200, 0, 0, 0])
  })

  test('that was interrupted goes on where it was, and reads only the rest', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await changelogOf(...manyKeys)
    const interruption = new AbortController()
    let batches = 0
    const interrupting = reading(broker, () => {
      if (++batches === 3) interruption.abort(new Error('the process is told to stop'))
    })
    const first = await restore(folder.path, interrupting, interruption.signal)
    const read: ReadBatch[] = []

    const second = await restore(
      folder.path,
      reading(broker, (batch) => void read.push(batch)),
    )

    const restoredBefore = first.found
    expect(first.failure).toMatchObject({ message: 'the process is told to stop' })
    expect(first.ends).toEqual([])
    expect(restoredBefore).toBe(1_500)
    expect(read.flatMap(({ records }) => records.map(({ offset }) => offset)).at(0)).toBe(restoredBefore)
    expect(second.ends).toMatchObject([{ records: recordCount - restoredBefore }])
    expect(second.found).toBe(recordCount)
  })

  test('reads no further ahead than one batch while the disk is slow', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await changelogOf(...manyKeys)
    const level = await openLevelStore(join(folder.path, '0_0'))
    let written = 0
    let furthest = 0
    const slow = overlaid(level, {
      write: async (changes, options) => {
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
        await level.write(changes, options)
        written += changes.length > 1 ? 1 : 0
      },
    })
    await using state = await TaskState.open({ stores: [spec], openDisk: async () => slow })
    let read = 0
    const counted = reading(broker, () => {
      read++
      furthest = Math.max(furthest, read - written)
    })
    const signal = new AbortController().signal

    await restoreTask({ ...place, state, broker: counted, observer: {}, clock: new ManualClock(), signal })

    expect([read, written]).toEqual([4, 4])
    expect(furthest).toBe(2)
  })

  test('names topic, partition and offset of a record that cannot belong to a changelog', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await changelogOf('a', 'b', null)

    const { failure } = await restore(folder.path, broker)

    expect(failure).toMatchObject({
      code: 'CHANGELOG_CORRUPT',
      fact: 'the record at app-words-changelog-0 offset 2 has no key',
      details: { ...changelog, offset: 2 },
    })
  })
})
