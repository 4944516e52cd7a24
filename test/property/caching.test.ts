import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import {
  aggregate,
  count,
  filter,
  hopping,
  leftJoinTable,
  session,
  sliding,
  type Windows,
} from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { AnyTarget } from '../../src/topology/topology.ts'
import { sessionWindowed } from '../../src/windowed.ts'

interface Input {
  readonly kind: 'record'
  readonly side: 'left' | 'right'
  readonly key: string
  readonly value: number | null
  readonly timestamp: number
}

type Step = Input | { readonly kind: 'commit' } | { readonly kind: 'crash' }

/** Adds the steps, which hold updates back or not, and gives what they send to `out`. */
type Declare = (builder: TopologyBuilder, caching: boolean) => AnyTarget

const topics = {
  left: kafka({ topic: 'left', key: string, value: msgpack<number>() }),
  right: kafka({ topic: 'right', key: string, value: msgpack<number>() }),
}

const input: fc.Arbitrary<Input> = fc.record({
  kind: fc.constant('record'),
  side: fc.constantFrom('left', 'right'),
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.option(fc.nat(9), { freq: 4 }),
  // Few enough that records meet in windows, and at one time.
  timestamp: fc.nat(12).map((step) => step * 5),
})
const other: fc.Arbitrary<Step> = fc.constantFrom({ kind: 'commit' }, { kind: 'commit' }, { kind: 'crash' })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof({ weight: 4, arbitrary: input }, { weight: 1, arbitrary: other }),
  {
    minLength: 1,
    maxLength: 30,
    size: 'max',
  },
)
/** Nothing fits, little does, all does. */
const cacheMaxBytes = fc.constantFrom(0, 700, 10_000_000)

/** As many cuts as an update may need on its way to the end. */
const stages = 3

/** What was sent between two commits, each as `[key, value]`; all commits in the end count as one. */
async function played(declare: Declare, script: readonly Step[], options: { caching: boolean; cacheMaxBytes: number }) {
  const builder = new TopologyBuilder()
  const target = declare(builder, options.caching)
  await using driver = await TopologyTestDriver.start(builder.build(), {
    commit: 'manual',
    commitIntervalMs: Number.MAX_SAFE_INTEGER,
    // Without caching the rows of a group would count twice after a crash.
    processingGuarantee: 'exactly_once',
    cacheMaxBytes: options.cacheMaxBytes,
  })
  const batches: (readonly [key: string, value: unknown])[][] = []
  const look = async () =>
    void batches.push((await driver.read(target)).map(({ key, value }) => [JSON.stringify(key), value]))
  for (const step of script) {
    if (step.kind === 'record') await driver.pipe(topics[step.side], step)
    else if (step.kind === 'crash') await driver.crashAndRestart()
    else {
      await driver.commit()
      await look()
    }
  }
  for (let stage = 0; stage < stages; stage++) await driver.commit()
  await look()
  return batches
}

function lastOf(batches: Awaited<ReturnType<typeof played>>): [string, unknown][] {
  const last = new Map<string, unknown>()
  for (const [key, value] of batches.flat()) {
    if (value === null) last.delete(key)
    else last.set(key, value)
  }
  return [...last].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Keys that were deleted while they were not there. */
function strayDeletions(sent: readonly (readonly [key: string, value: unknown])[]): string[] {
  const there = new Set<string>()
  return sent.flatMap(([key, value]) => {
    if (value === null) return there.delete(key) ? [] : [key]
    there.add(key)
    return []
  })
}

const plain = kafkaTopic({ topic: 'out', key: string, value: msgpack<{ rows: number; total: number }>() })

/** A filter, a join and a regrouping need the old values right; each of them holds updates back itself. */
const tables: Declare = (builder, caching) => {
  const kept = { store: { caching } }
  const right = builder.table('right', topics.right, { caching })
  builder
    .table('left', topics.left, { caching })
    .process(filter('small', (value) => value < 8, kept))
    .process(leftJoinTable('sum', right, (mine, theirs) => mine + (theirs ?? 0), kept))
    .process(
      aggregate('per-parity', {
        by: (sum): string => (sum % 2 === 0 ? 'even' : 'odd'),
        initialize: () => ({ rows: 0, total: 0 }),
        add: ({ rows, total }, sum) => ({ rows: rows + 1, total: total + sum }),
        // Without caching a group has come and gone that with it was never there.
        subtract: ({ rows, total }, sum) => (rows === 1 ? null : { rows: rows - 1, total: total - sum }),
        caching,
      }),
    )
    .toStream()
    .to('out', plain)
  return plain as AnyTarget
}

function windowsOf(window: Windows): Declare {
  return (builder, caching) => {
    const target = kafkaTopic({ topic: 'out', key: sessionWindowed(string), value: msgpack<number>() })
    const add = (sum: number, value: number | null) => (value === 9 ? null : sum + (value ?? 0))
    const sums = { initialize: () => 0, add, caching }
    const left = builder.stream('left', topics.left)
    if (window.kind === 'session')
      left.process(aggregate('sums', { ...sums, window, merge: (a, b) => a + b })).to('out', target)
    else left.process(aggregate('sums', { ...sums, window })).to('out', target)
    builder.stream('right', topics.right).process(count('right-counts'))
    return target as AnyTarget
  }
}

const kinds: readonly (readonly [string, Declare])[] = [
  ['rows of tables', tables],
  ['hopping windows', windowsOf(hopping({ sizeMs: 20, advanceMs: 10, graceMs: 100 }))],
  ['sliding windows', windowsOf(sliding({ differenceMs: 15, graceMs: 1_000 }))],
  ['sessions', windowsOf(session({ gapMs: 10, graceMs: 1_000 }))],
]

describe('with caching, whatever comes, wherever it commits or crashes, and however much may be held', () => {
  test.each(kinds)('the last update of all %s is that without caching', async (_, declare) => {
    const property = fc.asyncProperty(steps, cacheMaxBytes, async (script, maxBytes) => {
      const cached = await played(declare, script, { caching: true, cacheMaxBytes: maxBytes })
      const direct = await played(declare, script, { caching: false, cacheMaxBytes: maxBytes })

      expect(lastOf(cached)).toEqual(lastOf(direct))
    })

    await fc.assert(property, { numRuns: 25 })
  })

  test.each(kinds.slice(1))(
    'of %s each is sent once a commit, and is deleted only when it was sent',
    async (_, declare) => {
      const property = fc.asyncProperty(steps, async (script) => {
        // What may have been sent before a crash is deleted to be safe.
        const undisturbed = script.filter(({ kind }) => kind !== 'crash')
        const batches = await played(declare, undisturbed, { caching: true, cacheMaxBytes: 10_000_000 })

        for (const batch of batches) expect(new Set(batch.map(([key]) => key)).size).toBe(batch.length)
        expect(strayDeletions(batches.flat())).toEqual([])
      })

      await fc.assert(property, { numRuns: 30 })
    },
  )
})
