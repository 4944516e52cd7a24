import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { count, suppress, tumbling } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { TopicTarget } from '../../src/topology/source.ts'
import { timeWindowed } from '../../src/windowed.ts'

interface Update {
  readonly key: string
  readonly value: number | null
  readonly timestamp: number
}

const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() })
const windowTarget = kafkaTopic({ topic: 'out', key: timeWindowed(string, 50), value: msgpack<number>() })

const updates = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c', ''),
    value: fc.option(fc.nat(99), { freq: 5 }),
    timestamp: fc.nat(400),
  }),
  { minLength: 1, maxLength: 30, size: 'max' },
)
const bounds = fc.record({ untilTimeLimitMs: fc.nat(150), maxRecords: fc.option(fc.integer({ min: 1, max: 3 })) })
/** Before which updates the runtime is dropped; it finds its state on disk, or restores it from its changelogs. */
const restarts = fc.uniqueArray(fc.nat(29), { maxLength: 3 })

interface Waiting extends Update {
  readonly since: number
}

/** By the definition: what waits is a list that is sorted anew for every record. */
function expected(records: readonly Update[], limitMs: number, most: number): Update[] {
  let waiting: Waiting[] = []
  let time = 0
  const out: Update[] = []
  for (const update of records) {
    time = Math.max(time, update.timestamp)
    const since = waiting.find(({ key }) => key === update.key)?.since ?? update.timestamp
    waiting = [...waiting.filter(({ key }) => key !== update.key), { ...update, since }]
    waiting.sort((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1))
    const due = waiting.filter((one) => one.since <= time - limitMs).length
    const gone = waiting.splice(0, Math.max(due, waiting.length - most))
    out.push(...gone.map(({ since: _, ...rest }) => rest))
  }
  return out
}

/** And how many runs: a restart takes longer on disk. */
const storages = [
  ['in memory', true, 25],
  ['on disk', false, 6],
] as const

describe('whatever comes in what order, and wherever it crashes', () => {
  test.each(storages)(
    'a buffer %s sends what its definition says, in that order',
    async (_, stateInMemory, numRuns) => {
      await fc.assert(
        fc.asyncProperty(updates, bounds, restarts, async (records, { untilTimeLimitMs, maxRecords }, stops) => {
          const builder = new TopologyBuilder()
          const calm = suppress<string, number>('calm', {
            untilTimeLimitMs,
            ...(maxRecords !== null && { maxRecords }),
          })
          builder.table('rows', source).process(calm).toStream().to('out', target)
          const sent = await sentBy(builder, { records, stops, stateInMemory, from: target })
          const out = sent.map(({ key, value, timestamp }) => ({ key, value, timestamp }))

          expect(out).toEqual(expected(records, untilTimeLimitMs, maxRecords ?? Number.POSITIVE_INFINITY))
        }),
        { numRuns },
      )
    },
  )

  test.each(storages)('each window that closes gives its count once, kept %s', async (_, stateInMemory, numRuns) => {
    await fc.assert(
      fc.asyncProperty(updates, fc.nat(60), restarts, async (records, graceMs, stops) => {
        const window = tumbling({ sizeMs: 50, graceMs })
        const builder = new TopologyBuilder()
        builder
          .stream('in', source)
          .process(count('counts', { window }))
          .process(suppress('final', { untilWindowCloses: window }))
          .to('out', windowTarget)
        const out = await sentBy(builder, { records, stops, stateInMemory, from: windowTarget })
        const results = out.map(({ key: { key, window }, value }) => `${key}@${window.startMs}: ${value}`)

        expect(results.toSorted()).toEqual(closedWindows(records, graceMs).toSorted())
      }),
      { numRuns },
    )
  })
})

/** Counts of the windows of 50 ms that nothing can change any more after all records. */
function closedWindows(records: readonly Update[], graceMs: number): string[] {
  const counts = new Map<string, { readonly endMs: number; n: number }>()
  let time = 0
  for (const { key, timestamp } of records) {
    time = Math.max(time, timestamp)
    const startMs = timestamp - (timestamp % 50)
    const window = counts.get(`${key}@${startMs}`) ?? { endMs: startMs + 50, n: 0 }
    if (window.endMs <= time - graceMs) continue
    window.n++
    counts.set(`${key}@${startMs}`, window)
  }
  const closed = [...counts].filter(([, { endMs }]) => endMs <= time - graceMs)
  return closed.map(([window, { n }]) => `${window}: ${n}`)
}

interface Run<K> {
  readonly records: readonly Update[]
  readonly stops: readonly number[]
  readonly stateInMemory: boolean
  readonly from: TopicTarget<K, number>
}

async function sentBy<K>(builder: TopologyBuilder, { records, stops, stateInMemory, from }: Run<K>) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'millrace-suppress-'))
  const where = { stateInMemory, stateDirectory: folder.path }
  await using driver = await TopologyTestDriver.start(builder.build(), where)
  for (const [index, record] of records.entries()) {
    if (stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe(source, record)
  }
  return driver.read(from)
}
