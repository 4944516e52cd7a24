import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { joinStream, outerJoinStream } from '../../src/operators/index.ts'
import { string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'

interface Input {
  readonly side: 'left' | 'right'
  readonly key: string
  readonly timestamp: number
}

interface Numbered extends Input {
  readonly value: string
}

const topics = {
  left: kafka({ topic: 'left', key: string, value: string }),
  right: kafka({ topic: 'right', key: string, value: string }),
}
const target = kafkaTopic({ topic: 'out', key: string, value: string })

const input: fc.Arbitrary<Input> = fc.record({
  side: fc.constantFrom('left', 'right'),
  key: fc.constantFrom('a', 'b'),
  timestamp: fc.nat(100),
})
const inputs = fc
  .array(input, { minLength: 1, maxLength: 20, size: 'max' })
  .map((all) => all.map((each, index): Numbered => ({ ...each, value: `${each.side[0]}${index}` })))
const bounds = fc.record({ beforeMs: fc.nat(30), afterMs: fc.nat(30) })
/** Before which inputs the runtime is dropped, and restored from its changelogs. */
const restarts = fc.uniqueArray(fc.nat(19), { maxLength: 2 })

/** After all windows: what closes them all. */
const end: Numbered = { side: 'left', key: 'end', timestamp: 1_000_000, value: 'end' }

type Within = { readonly beforeMs: number; readonly afterMs: number; readonly graceMs: number }

/** What came out, sorted: `key left|right time`. */
async function played(
  join: typeof joinStream | typeof outerJoinStream,
  records: readonly Numbered[],
  options: { within: Within; stops: readonly number[] },
) {
  const builder = new TopologyBuilder()
  const [left, right] = [builder.stream('left', topics.left), builder.stream('right', topics.right)]
  const pair = (one: string | null, other: string | null) => `${one}|${other}`
  left
    .process((join as typeof outerJoinStream)<string, string, string, string, string>('j', right, pair, options))
    .to('out', target)
  await using driver = await TopologyTestDriver.start(builder.build())
  for (const [index, { side, ...record }] of [...records, end].entries()) {
    if (options.stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe(topics[side], record)
  }
  return (await driver.read(target)).map(({ key, value, timestamp }) => `${key} ${value} ${timestamp}`).sort()
}

function pairs(records: readonly Numbered[], { beforeMs, afterMs }: Within) {
  const of = (side: string) => records.filter((record) => record.side === side)
  return of('left').flatMap((left) =>
    of('right')
      .filter(
        ({ key, timestamp }) =>
          key === left.key && timestamp >= left.timestamp - beforeMs && timestamp <= left.timestamp + afterMs,
      )
      .map((right) => ({ left, right })),
  )
}

function named(pair: { readonly left?: Numbered; readonly right?: Numbered }): string {
  const [key] = [pair.left?.key ?? pair.right?.key]
  const time = Math.max(pair.left?.timestamp ?? 0, pair.right?.timestamp ?? 0)
  return `${key} ${pair.left?.value ?? null}|${pair.right?.value ?? null} ${time}`
}

describe('wherever it crashes, a join of streams is what its definition says', () => {
  test('each pair within the window, in whatever order the records come', async () => {
    await fc.assert(
      fc.asyncProperty(inputs, bounds, restarts, async (records, bound, stops) => {
        const within = { ...bound, graceMs: 200 }

        expect(await played(joinStream, records, { within, stops })).toEqual(pairs(records, within).map(named).sort())
      }),
      { numRuns: 25 },
    )
  })

  test('and of records in the order of time each one alone that has no match', async () => {
    await fc.assert(
      fc.asyncProperty(inputs, bounds, restarts, async (records, bound, stops) => {
        const within = { ...bound, graceMs: 0 }
        const ordered = records.toSorted((a, b) => a.timestamp - b.timestamp)
        const matched = pairs(ordered, within)
        const alone = ordered.filter((one) => !matched.some(({ left, right }) => left === one || right === one))
        const expected = [...matched, ...alone.map((one) => ({ [one.side]: one }))].map(named).sort()

        expect(await played(outerJoinStream, ordered, { within, stops })).toEqual(expected)
      }),
      { numRuns: 25 },
    )
  })
})
