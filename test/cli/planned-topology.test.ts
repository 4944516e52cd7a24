import { readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { DistinctTexts } from '../../src/cli/plan/distinct-texts.ts'
import { planRun } from '../../src/cli/plan/plan-run.ts'
import { PlannedTexts } from '../../src/cli/plan/planned-texts.ts'
import { plannedTopology } from '../../src/cli/plan/planned-topology.ts'
import { parseSettings } from '../../src/config.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { joinGlobalTable } from '../../src/operators/index.ts'
import type { Broker, CommitOffset } from '../../src/runtime/broker.ts'
import { string } from '../../src/serde.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { send } from '../support/dead-letters.ts'
import { plainTopologyTo, topologyTo } from '../support/instance.ts'
import { logRecord } from '../support/log-records.ts'
import { ModelIndex } from '../support/model-index.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const settings = parseSettings({ application: 'app' })

async function logWith(...values: readonly string[]): Promise<Broker & AsyncDisposable> {
  const log = embeddedBroker()
  await log.open()
  await log.createTopics([{ topic: 'in', partitions: 1 }])
  const place = { topic: 'in', partition: 0 }
  await send(
    log,
    values.map((value) => logRecord(place, value, value)),
  )
  return log
}

async function commitAt(log: Broker, offset: CommitOffset): Promise<void> {
  const producer = await log.producer({ transactionalId: 'a' })
  const transaction = await producer.begin()
  await transaction.sendOffsets('app', [offset])
  await transaction.commit()
}

describe('planning a topology', () => {
  test('does not open a target of any other kind, and gives it nothing', async () => {
    await using broker = await logWith('one', 'two')
    const sink = Object.assign(new RecordingSink(), { open: () => Promise.reject(new Error('it was opened')) })

    const plan = await planRun({
      topology: plainTopologyTo(sink),
      settings,
      broker,
      signal: new AbortController().signal,
    })

    expect(plan).toMatchObject({ records: 2, points: { upserts: 0 } })
    expect(sink.written).toEqual([])
  })

  test('is refused for a node that looks at an index by itself', () => {
    const topology = topologyTo(new RecordingSink(), (stream) =>
      stream.process({
        name: 'looks',
        operator: 'own',
        order: 'key',
        observes: [new ModelIndex()],
        create: () => ({ process: () => undefined }),
      }),
    )

    const texts = new PlannedTexts('nowhere')
    expect(() => plannedTopology(topology, { texts, coalesces: () => true })).toThrow(
      'USAGE: node "looks" (own) looks at an index by itself, so it cannot be planned. ',
    )
  })

  test('finds the rows of a table that is restored from its own topic, and takes only those again that are not committed', async () => {
    await using broker = await logWith('a', 'b')
    await broker.createTopics([{ topic: 'rows', partitions: 1, cleanup: 'compact' }])
    const rows = { topic: 'rows', partition: 0 }
    await send(broker, [logRecord(rows, 'gone', 'x'), logRecord(rows, 'a', 'old'), logRecord(rows, 'b', 'late')])
    await broker.admin?.deleteRecords([{ ...rows, offset: 1 }])
    await commitAt(broker, { ...rows, offset: 2, metadata: 'millrace/1 clean' })
    const seen: unknown[] = []
    const builder = new TopologyBuilder()
    builder.table('rows', kafka({ topic: 'rows', key: string, value: string }), { changelog: 'source' })
    builder
      .stream('in', kafka({ topic: 'in', key: string, value: string }))
      .process<string, string>({
        name: 'looks',
        operator: 'own',
        stores: ['rows'],
        create: () => ({
          process: ({ key }, context) => {
            seen.push([key, context.store<KeyValueStore<string, unknown>>('rows').get(key) !== undefined])
          },
        }),
      })
      .to('out', new RecordingSink())

    const plan = await planRun({ topology: builder.build(), settings, broker, signal: new AbortController().signal })

    expect(plan).toMatchObject({ records: 3, failures: {} })
    expect(seen).toContainEqual(['a', true])
  })

  test('reads the topics of global tables', async () => {
    await using broker = await logWith('one')
    await broker.createTopics([{ topic: 'countries', partitions: 2 }])
    await send(broker, [logRecord({ topic: 'countries', partition: 1 }, 'one', 'x')])
    const builder = new TopologyBuilder()
    const table = builder.globalTable('all', kafka({ topic: 'countries', key: string, value: string }))
    const found: string[] = []
    const seen = (_: string, row: string) => {
      found.push(row)
      return row
    }
    builder
      .stream('in', kafka({ topic: 'in', key: string, value: string }))
      .process(joinGlobalTable('joined', table, seen, { by: (value: string) => value }))
      .to('out', new RecordingSink())

    const plan = await planRun({ topology: builder.build(), settings, broker, signal: new AbortController().signal })

    expect([plan?.records, found]).toEqual([1, ['x']])
  })

  test('is refused for an index that cannot be opened for reading only', async () => {
    await using broker = await logWith()
    const topology = plainTopologyTo(new ModelIndex() as never) as Topology

    const planning = planRun({ topology, settings, broker, signal: new AbortController().signal })

    await expect(planning).rejects.toMatchObject({
      code: 'USAGE',
      fact: 'model:index cannot be opened for reading only, so a run into it cannot be planned',
    })
  })

  test.each([
    ['while it copies', 0],
    ['while it judges', 1],
  ])('ends when it is told to %s, and leaves no copies behind', async (_, processed) => {
    await using broker = await logWith('one', 'two', 'three')
    await using folder = await temporaryDirectory()
    const stop = new AbortController()

    const plan = await planRun({
      ...{ topology: plainTopologyTo(new RecordingSink()), settings, broker },
      ...{ folder: folder.path, signal: stop.signal },
      onProgress: (progress) => {
        if (progress.processed === processed) stop.abort()
      },
    })

    expect(plan).toBeUndefined()
    expect(await readdir(folder.path)).toEqual([])
  })

  test.each([
    ['fail', 'OFFSET_OUT_OF_RANGE', undefined],
    ['earliest', undefined, 1],
    ['latest', undefined, 0],
  ] as const)(
    'does with a commit that the log has overtaken what a run does: %s',
    async (offsetReset, code, records) => {
      const log = await logWith('one', 'two')
      await using _ = log
      await commitAt(log, { topic: 'in', partition: 0, offset: 0, metadata: 'millrace/1 clean' })
      await log.admin?.deleteRecords([{ topic: 'in', partition: 0, offset: 1 }])

      const planning = planRun({
        ...{ topology: plainTopologyTo(new RecordingSink()), settings: { ...settings, offsetReset }, broker: log },
        signal: new AbortController().signal,
      })

      if (code) await expect(planning).rejects.toMatchObject({ code })
      else expect((await planning)?.records).toBe(records)
    },
  )
})

test('different texts are counted right, also when there are more than memory has room for, by many at once', async () => {
  await using folder = await temporaryDirectory()
  await using texts = new DistinctTexts(folder.path, { maxInMemory: 10 })
  const asked = Array.from({ length: 500 }, (_, at) => `text ${(at * 7) % 101}`)

  await Promise.all(asked.map((text) => texts.add(text)))

  expect(texts.count).toBe(101)
  expect(await readdir(folder.path)).toEqual(['texts'])
})

test('few texts need no disk', async () => {
  await using folder = await temporaryDirectory()
  await using texts = new DistinctTexts(folder.path)

  for (const text of ['a', 'b', 'a']) await texts.add(text)

  expect([texts.count, await readdir(folder.path)]).toEqual([2, []])
})
