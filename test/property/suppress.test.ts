import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { suppress } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'

interface Update {
  readonly key: string
  readonly value: number | null
  readonly timestamp: number
}

const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() })

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

describe('whatever comes in what order, and wherever it crashes', () => {
  test.each([
    ['in memory', true],
    ['on disk', false],
  ])('a buffer %s sends what its definition says, in that order', async (_, stateInMemory) => {
    await fc.assert(
      fc.asyncProperty(updates, bounds, restarts, async (records, { untilTimeLimitMs, maxRecords }, stops) => {
        const builder = new TopologyBuilder()
        const calm = suppress<string, number>('calm', {
          untilTimeLimitMs,
          ...(maxRecords !== null && { maxRecords }),
        })
        builder.table('rows', source).process(calm).toStream().to('out', target)
        await using folder = await mkdtempDisposable(join(tmpdir(), 'millrace-suppress-'))
        const where = { stateInMemory, stateDirectory: folder.path }
        await using driver = await TopologyTestDriver.start(builder.build(), where)
        for (const [index, record] of records.entries()) {
          if (stops.includes(index)) await driver.crashAndRestart()
          await driver.pipe(source, record)
        }

        const out = (await driver.read(target)).map(({ key, value, timestamp }) => ({ key, value, timestamp }))

        expect(out).toEqual(expected(records, untilTimeLimitMs, maxRecords ?? Number.POSITIVE_INFINITY))
      }),
      { numRuns: 40 },
    )
  })
})
