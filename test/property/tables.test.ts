import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { aggregate, filter, joinTable, leftJoinTable, outerJoinTable } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Table } from '../../src/topology/stream.ts'

interface Input {
  readonly side: 'left' | 'right'
  readonly key: string
  readonly value: number | null
}

type Rows = ReadonlyMap<string, number>

const topics = {
  left: kafka({ topic: 'left', key: string, value: msgpack<number>() }),
  right: kafka({ topic: 'right', key: string, value: msgpack<number>() }),
}
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<unknown>() })

const input: fc.Arbitrary<Input> = fc.record({
  side: fc.constantFrom('left', 'right'),
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.option(fc.nat(9), { freq: 3 }),
})
const inputs = fc.array(input, { minLength: 1, maxLength: 20, size: 'max' })
/** Before which inputs the runtime is dropped, and restored from its changelogs. */
const restarts = fc.uniqueArray(fc.nat(19), { maxLength: 2 })

/** What the table that comes out has in the end, by what it sent. */
async function played(
  derive: (left: Table<string, number>, right: Table<string, number>) => Table<string, unknown>,
  records: readonly Input[],
  stops: readonly number[],
): Promise<Record<string, unknown>> {
  const builder = new TopologyBuilder()
  derive(builder.table('left', topics.left), builder.table('right', topics.right)).toStream().to('out', target)
  await using driver = await TopologyTestDriver.start(builder.build())
  for (const [index, { side, key, value }] of records.entries()) {
    if (stops.includes(index)) await driver.crashAndRestart()
    await driver.pipe(topics[side], { key, value })
  }
  const last = new Map<string, unknown>()
  for (const { key, value } of await driver.read(target)) {
    if (value === null) last.delete(key)
    else last.set(key, value)
  }
  return Object.fromEntries(last)
}

function latest(records: readonly Input[], side: Input['side']): Rows {
  const rows = new Map<string, number>()
  for (const { key, value } of records.filter((record) => record.side === side)) {
    if (value === null) rows.delete(key)
    else rows.set(key, value)
  }
  return rows
}

function pair(left: number | null, right: number | null): string {
  return `${left}|${right}`
}

const joins = [
  ['inner', (left: Table<string, number>, right: Table<string, number>) => left.process(joinTable('j', right, pair))],
  [
    'left',
    (left: Table<string, number>, right: Table<string, number>) => left.process(leftJoinTable('j', right, pair)),
  ],
  [
    'outer',
    (left: Table<string, number>, right: Table<string, number>) => left.process(outerJoinTable('j', right, pair)),
  ],
] as const

function joined(kind: string, left: Rows, right: Rows): Record<string, string> {
  const keys = [...new Set([...left.keys(), ...right.keys()])].filter(
    (key) => kind === 'outer' || (left.has(key) && (kind === 'left' || right.has(key))),
  )
  return Object.fromEntries(keys.map((key) => [key, pair(left.get(key) ?? null, right.get(key) ?? null)]))
}

describe('whatever comes in what order, and wherever it crashes', () => {
  test.each(joins)('the %s join of tables is what its definition says', async (kind, join) => {
    await fc.assert(
      fc.asyncProperty(inputs, restarts, async (records, stops) => {
        const expected = joined(kind, latest(records, 'left'), latest(records, 'right'))

        expect(await played(join, records, stops)).toEqual(expected)
      }),
      { numRuns: 20 },
    )
  })

  test('the rows of a group are those of a naive recomputation, behind a filter and a join', async () => {
    const groups = (left: Table<string, number>, right: Table<string, number>) =>
      left
        .process(leftJoinTable('sum', right, (mine, other) => mine + (other ?? 0)))
        .process(filter('small', (sum) => sum < 12))
        .process(
          aggregate('per-parity', {
            by: (sum) => (sum % 2 === 0 ? 'even' : 'odd'),
            initialize: () => ({ count: 0, total: 0 }),
            add: ({ count, total }, sum) => ({ count: count + 1, total: total + sum }),
            subtract: ({ count, total }, sum) => ({ count: count - 1, total: total - sum }),
          }),
        )

    await fc.assert(
      fc.asyncProperty(inputs, restarts, async (records, stops) => {
        const right = latest(records, 'right')
        const sums = [...latest(records, 'left')]
          .map(([key, value]) => value + (right.get(key) ?? 0))
          .filter((sum) => sum < 12)
        const ofParity = (parity: number) => {
          const own = sums.filter((sum) => sum % 2 === parity)
          return { count: own.length, total: own.reduce((a, b) => a + b, 0) }
        }

        const none = { count: 0, total: 0 }
        const { even = none, odd = none } = await played(groups, records, stops)

        expect({ even, odd }).toEqual({ even: ofParity(0), odd: ofParity(1) })
      }),
      { numRuns: 20 },
    )
  })
})
