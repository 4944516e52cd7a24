import { readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { planRun } from '../../src/cli/plan/plan-run.ts'
import { plannedTopology } from '../../src/cli/plan/planned-topology.ts'
import { parseSettings } from '../../src/config.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { string } from '../../src/serde.ts'
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

    expect(() => plannedTopology(topology, () => true)).toThrow(
      'USAGE: node "looks" (own) looks at an index by itself, so it cannot be planned. ',
    )
  })

  test('is refused for a table that is restored from its own topic', () => {
    const builder = new TopologyBuilder()
    builder
      .table('rows', kafka({ topic: 'in', key: string, value: string }), { changelog: 'source' })
      .toStream()
      .to('out', kafkaTopic({ topic: 'out', key: string, value: string }))

    expect(() => plannedTopology(builder.build(), () => true)).toThrow(
      'USAGE: table "rows" is restored from its own topic, so the topology cannot be planned. ',
    )
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

  test('ends when it is told to, and leaves no copies behind', async () => {
    await using broker = await logWith('one', 'two')
    await using folder = await temporaryDirectory()
    const stop = new AbortController()

    const plan = await planRun({
      ...{ topology: plainTopologyTo(new RecordingSink()), settings, broker },
      ...{ folder: folder.path, signal: stop.signal, onProgress: () => stop.abort() },
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
      const producer = await log.producer({ transactionalId: 'a' })
      const transaction = await producer.begin()
      await transaction.sendOffsets('app', [{ topic: 'in', partition: 0, offset: 0, metadata: 'millrace/1 clean' }])
      await transaction.commit()
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
