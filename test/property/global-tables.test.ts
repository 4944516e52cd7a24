import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { leftJoinGlobalTable } from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

type Input =
  | { readonly kind: 'row'; readonly key: string; readonly value: number | null }
  | { readonly kind: 'look'; readonly key: string }

const rows = kafka({ topic: 'rows', key: string, value: msgpack<number>() })
const looks = kafka({ topic: 'looks', key: string, value: string })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<number | 'none'>() })

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ kind: fc.constant('row' as const), key, value: fc.option(fc.nat(9), { freq: 3 }) }),
  fc.record({ kind: fc.constant('look' as const), key }),
)
const inputs = fc.array(input, { minLength: 1, maxLength: 25, size: 'max' })
/** Before which inputs the runtime is dropped; the log goes on meanwhile when it is a row. */
const restarts = fc.uniqueArray(fc.nat(24), { maxLength: 3 })

function topologyOf(storage: 'level' | 'memory'): Topology {
  const builder = new TopologyBuilder()
  const table = builder.globalTable('table', rows, { storage })
  builder
    .stream('looks', looks)
    .process(
      leftJoinGlobalTable('looked-up', table, (_, row): number | 'none' => row ?? 'none', { by: (value) => value }),
    )
    .to('out', target)
  return builder.build()
}

/** What each look sees. */
function expected(all: readonly Input[]): (number | 'none')[] {
  const table = new Map<string, number | null>()
  return all.flatMap((one) => {
    if (one.kind === 'look') return [table.get(one.key) ?? 'none']
    table.set(one.key, one.value)
    return []
  })
}

/** A row that comes with a restart is written while nobody is there. */
async function take(driver: TopologyTestDriver, one: Input, isRestarted: boolean): Promise<void> {
  if (isRestarted) await driver.crash()
  if (one.kind === 'row') await driver.pipe(rows, { key: one.key, value: one.value })
  if (isRestarted) await driver.restart()
  if (one.kind === 'look') await driver.pipe(looks, { key: 'k', value: one.key })
}

describe('a join with a global table', () => {
  test.each(['memory', 'level'] as const)(
    'sees the latest rows, wherever it is restarted, kept in %s',
    async (storage) => {
      await fc.assert(
        fc.asyncProperty(inputs, restarts, fc.integer({ min: 1, max: 3 }), async (all, stops, partitions) => {
          await using folder = await temporaryDirectory()
          const options = { partitions, stateInMemory: storage === 'memory', stateDirectory: folder.path }
          await using driver = await TopologyTestDriver.start(topologyOf(storage), options)
          for (const [index, one] of all.entries()) await take(driver, one, stops.includes(index))

          expect((await driver.read(target)).map(({ value }) => value)).toEqual(expected(all))
        }),
        { numRuns: storage === 'memory' ? 25 : 8 },
      )
    },
  )
})
