import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { aggregate, hopping, session, sliding, type TimeWindows, type Windows } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { sessionWindowed } from '../../src/windowed.ts'

interface Input {
  readonly key: string
  readonly value: number
  readonly timestamp: number
}

const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
// Key, end and start: the windows of every kind fit into it.
const target = kafkaTopic({ topic: 'out', key: sessionWindowed(string), value: msgpack<number>() })

/** Sums, whatever the order: so a window is what is in it. */
const sums = { initialize: () => 0, add: (sum: number, value: number | null) => sum + (value ?? 0) }

const input: fc.Arbitrary<Input> = fc.record({
  key: fc.constantFrom('a', 'b'),
  value: fc.integer({ min: 1, max: 1000 }),
  timestamp: fc.nat(300),
})
const inputs = fc.array(input, { minLength: 1, maxLength: 25, size: 'max' })
/** Before which inputs the runtime is dropped, and restored from its changelogs. */
const restarts = fc.uniqueArray(fc.nat(24), { maxLength: 3 })

const emit = fc.constantFrom('update', 'window-close')

/** After all windows: what closes them all. */
const end: Input = { key: 'z', value: 1, timestamp: 1_000_000 }

interface Run {
  readonly window: Windows
  readonly records: readonly Input[]
  readonly stops: readonly number[]
  readonly emit: 'update' | 'window-close'
}

/** The last value of each window that was sent, by `key start end`. At window close there may be only one. */
async function played({ window, records, stops, emit }: Run): Promise<Map<string, number>> {
  const builder = new TopologyBuilder()
  const stream = builder.stream('in', source)
  if (window.kind === 'session')
    stream.process(aggregate('sums', { ...sums, window, emit, merge: (a, b) => a + b })).to('out', target)
  else stream.process(aggregate('sums', { ...sums, window, emit })).to('out', target)
  await using driver = await TopologyTestDriver.start(builder.build())
  for (const [index, record] of records.entries()) {
    if (stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe(source, record)
  }
  if (emit === 'window-close') await driver.pipe(source, end)
  const last = new Map<string, number>()
  for (const { key, value } of await driver.read(target)) {
    const name = named(key.key, key.window.startMs, key.window.endMs)
    if (emit === 'window-close') expect([last.has(name), value]).toEqual([false, expect.any(Number)])
    if (value === null) last.delete(name)
    else last.set(name, value)
  }
  return last
}

function named(key: string, startMs: number, endMs: number): string {
  return `${key} ${startMs} ${endMs}`
}

function sumWithin(records: readonly Input[], key: string, startMs: number, endMs: number): number {
  return records
    .filter((record) => record.key === key && record.timestamp >= startMs && record.timestamp <= endMs)
    .reduce((sum, { value }) => sum + value, 0)
}

function naiveSums({ sizeMs, advanceMs, graceMs }: TimeWindows, records: readonly Input[]): Map<string, number> {
  const sums = new Map<string, number>()
  let streamTime = -1
  for (const { key, value, timestamp } of records) {
    streamTime = Math.max(streamTime, timestamp)
    for (let startMs = 0; startMs <= timestamp; startMs += advanceMs) {
      const endMs = startMs + sizeMs
      const name = named(key, startMs, endMs)
      if (endMs > timestamp && endMs > streamTime - graceMs) sums.set(name, (sums.get(name) ?? 0) + value)
    }
  }
  return sums
}

function byKey(records: readonly Input[]): [string, readonly Input[]][] {
  return [...Map.groupBy(records, ({ key }) => key)]
}

function sorted(sums: ReadonlyMap<string, number>): [string, number][] {
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1))
}

describe('aggregates of windows', () => {
  test('tumbling and hopping: what is in each window and was not late, wherever the runtime is restarted', async () => {
    const shape = fc.record({
      sizeMs: fc.integer({ min: 1, max: 100 }),
      parts: fc.integer({ min: 1, max: 4 }),
      graceMs: fc.nat(100),
    })
    const property = fc.asyncProperty(
      shape,
      inputs,
      restarts,
      emit,
      async ({ sizeMs, parts, graceMs }, records, stops, emit) => {
        const advanceMs = Math.max(1, Math.ceil(sizeMs / parts))
        const windows = hopping({ sizeMs, advanceMs, graceMs })

        const sums = await played({ window: windows, records, stops, emit })

        expect(sorted(sums)).toEqual(sorted(naiveSums(windows, records)))
      },
    )

    await fc.assert(property, { numRuns: 60 })
  })

  test('sliding: every set of records within the time difference', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 80 }),
      inputs,
      restarts,
      emit,
      async (differenceMs, records, stops, emit) => {
        const expected = new Map<string, number>()
        for (const [key, own] of byKey(records)) {
          const starts = own.flatMap(({ timestamp }) => [Math.max(0, timestamp - differenceMs), timestamp + 1])
          for (const startMs of starts) {
            const sum = sumWithin(own, key, startMs, startMs + differenceMs)
            if (sum > 0) expected.set(named(key, startMs, startMs + differenceMs), sum)
          }
        }

        const sums = await played({ window: sliding({ differenceMs, graceMs: 1_000 }), records, stops, emit })

        expect(sorted(sums)).toEqual(sorted(expected))
      },
    )

    await fc.assert(property, { numRuns: 60 })
  })

  test('sessions: runs of records without a pause longer than the gap', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      inputs,
      restarts,
      emit,
      async (gapMs, records, stops, emit) => {
        const expected = new Map<string, number>()
        for (const [key, own] of byKey(records)) {
          const times = own.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
          const starts = times.filter((time, index) => index === 0 || time - (times[index - 1] ?? 0) > gapMs)
          for (const [index, startMs] of starts.entries()) {
            const next = starts[index + 1] ?? Number.POSITIVE_INFINITY
            const endMs = times.findLast((time) => time < next) ?? startMs
            expected.set(named(key, startMs, endMs), sumWithin(own, key, startMs, endMs))
          }
        }

        const sums = await played({ window: session({ gapMs, graceMs: 1_000 }), records, stops, emit })

        expect(sorted(sums)).toEqual(sorted(expected))
      },
    )

    await fc.assert(property, { numRuns: 60 })
  })
})
