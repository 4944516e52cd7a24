import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { joinByForeignKey, leftJoinByForeignKey } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Left {
  readonly to: string | null
  readonly text: string
}

type Input =
  | { readonly side: 'left'; readonly key: string; readonly value: Left | null }
  | { readonly side: 'right'; readonly key: string; readonly value: string | null }

const lefts = kafka({ topic: 'left', key: string, value: msgpack<Left>() })
const rights = kafka({ topic: 'right', key: string, value: string })
const target = kafkaTopic({ topic: 'out', key: string, value: string })

const foreignKey = fc.constantFrom('x', 'y', 'z')
const text = fc.constantFrom('0', '1', '2')
const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({
    side: fc.constant('left' as const),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.option(fc.record({ to: fc.option(foreignKey, { freq: 4 }), text }), { freq: 4 }),
  }),
  fc.record({ side: fc.constant('right' as const), key: foreignKey, value: fc.option(text, { freq: 3 }) }),
)
/** What is in one group is written at once: the tasks of both sides work on it in any order. */
const groups = fc.array(fc.array(input, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 })
/** Before which groups the runtime is dropped, and restored from its changelogs. */
const restarts = fc.uniqueArray(fc.nat(5), { maxLength: 2 })

function topologyOf(kind: 'inner' | 'left', storage: 'level' | 'memory'): Topology {
  const builder = new TopologyBuilder()
  const right = builder.table('rights', rights, { storage })
  const join = kind === 'inner' ? joinByForeignKey : leftJoinByForeignKey
  builder
    .table('lefts', lefts, { storage })
    .process(
      join('joined', right, (left, other) => `${left.text}+${other}`, { by: ({ to }) => to, store: { storage } }),
    )
    .toStream()
    .to('out', target)
  return builder.build()
}

function expected(kind: 'inner' | 'left', inputs: readonly Input[]): Record<string, string> {
  const left = new Map<string, Left | null>()
  const right = new Map<string, string | null>()
  for (const one of inputs) {
    if (one.side === 'left') left.set(one.key, one.value)
    else right.set(one.key, one.value)
  }
  const rows = [...left].flatMap(([key, value]) => {
    const other = value?.to === null || value === null ? null : (right.get(value.to) ?? null)
    return value === null || (other === null && kind === 'inner') ? [] : [[key, `${value.text}+${other}`] as const]
  })
  return Object.fromEntries(rows.sort())
}

async function results(driver: TopologyTestDriver, before: Map<string, string>): Promise<Record<string, string>> {
  for (const { key, value } of await driver.read(target)) {
    if (value === null) before.delete(key)
    else before.set(key, value)
  }
  return Object.fromEntries([...before].sort())
}

async function write(driver: TopologyTestDriver, inputs: readonly Input[]): Promise<void> {
  const writes = inputs.map((one) =>
    one.side === 'left'
      ? driver.pipe(lefts, { key: one.key, value: one.value })
      : driver.pipe(rights, { key: one.key, value: one.value }),
  )
  await Promise.all(writes)
}

describe('whatever comes in what order, and wherever it crashes', () => {
  const guarantees = ['at_least_once', 'exactly_once'] as const
  const cases = (['inner', 'left'] as const).flatMap((kind) =>
    guarantees.map((guarantee) => [kind, guarantee] as const),
  )

  test.each(cases)('the %s join by a foreign key is what its definition says, with %s', async (kind, guarantee) => {
    await fc.assert(
      fc.asyncProperty(groups, restarts, fc.integer({ min: 1, max: 3 }), async (all, stops, partitions) => {
        const options = { partitions, processingGuarantee: guarantee }
        await using driver = await TopologyTestDriver.start(topologyOf(kind, 'memory'), options)
        const found = new Map<string, string>()
        for (const [index, group] of all.entries()) {
          if (stops.includes(index)) await driver.crashAndRestart()
          await write(driver, group)
          expect(await results(driver, found)).toEqual(expected(kind, all.slice(0, index + 1).flat()))
        }
      }),
      { numRuns: 12 },
    )
  })

  test('the same holds for stores on disk', async () => {
    await fc.assert(
      fc.asyncProperty(groups, restarts, async (all, stops) => {
        await using folder = await temporaryDirectory()
        const options = { partitions: 2, stateInMemory: false, stateDirectory: folder.path }
        await using driver = await TopologyTestDriver.start(topologyOf('inner', 'level'), options)
        for (const [index, group] of all.entries()) {
          if (stops.includes(index)) await driver.crashAndRestart()
          await write(driver, group)
        }

        expect(await results(driver, new Map())).toEqual(expected('inner', all.flat()))
      }),
      { numRuns: 6 },
    )
  })
})
