import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { parseSettings, type RuntimeSettingsInput } from '../../../src/config.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { type Logger, silentLogger } from '../../../src/logger.ts'
import { joinGlobalTable } from '../../../src/operators/index.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { GlobalTables } from '../../../src/runtime/copies/global-tables.ts'
import type { GlobalReadEvent } from '../../../src/runtime/observer.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { TaskStates } from '../../../src/runtime/tasks/task-states.ts'
import { planReset, resetApplication } from '../../../src/runtime/topics/reset.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { until } from '../../support/instance.ts'
import { overlaid } from '../../support/overlaid.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const partitions = 3
const views = kafka({ topic: 'views', key: string, value: string })
const output = kafkaTopic({ topic: 'out', key: string, value: string })

function topologyOf(topic = 'countries'): Topology {
  const builder = new TopologyBuilder()
  const countries = builder.globalTable('countries', kafka({ topic, key: string, value: msgpack<string>() }))
  builder
    .stream('views', views)
    .process(joinGlobalTable('joined', countries, (view, country) => `${view} ${country}`, { by: (view) => view }))
    .to('out', output)
  return builder.build()
}

async function opened(...topics: string[]) {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([
    { topic: 'countries', partitions, cleanup: 'compact' },
    ...[...topics, 'views', 'out'].map((topic) => ({ topic, partitions })),
  ])
  return broker
}

async function send(broker: Broker, topic: string, rows: Record<string, string | null>): Promise<void> {
  const producer = await broker.producer()
  const { value } = topic === 'views' ? views : { value: msgpack<string>() }
  await producer.send(
    Object.entries(rows).map(([key, row]) => ({
      topic,
      partition: partitionFor(string.serialize(key), partitions),
      key: string.serialize(key),
      value: row === null ? null : value.serialize(row),
      timestamp: 5,
      headers: noHeaders,
    })),
  )
  await producer.close()
}

async function sendRaw(broker: Broker, value: Uint8Array): Promise<void> {
  const producer = await broker.producer()
  await producer.send([
    { topic: 'countries', partition: 0, key: string.serialize('x'), value, timestamp: 5, headers: noHeaders },
  ])
  await producer.close()
}

interface Opening {
  readonly topology?: Topology
  readonly folder?: string
  readonly clock?: ManualClock
  readonly logger?: Logger
  readonly settings?: Partial<RuntimeSettingsInput>
}

/** The global tables alone, with what they told; disposing of them closes what they have open. */
async function tablesOn(broker: Broker, opening: Opening = {}) {
  const { topology = topologyOf(), folder, clock = new ManualClock(1_000), logger = silentLogger } = opening
  const settings = parseSettings({ application: 'app', ...opening.settings })
  const stateDirectory = folder ?? 'unused'
  const shared = { clock, logger, application: 'app', stateDirectory, inMemory: folder === undefined }
  const states = await TaskStates.open(shared)
  const state = await states.openGlobal([...topology.globalTables.values()].map(({ store }) => store))
  const told = { records: 0, dropped: [] as string[], failures: [] as StreamError[] }
  const observer = {
    globalRead: ({ records }: GlobalReadEvent) => {
      told.records += records
    },
    globalDropped: (_: string, reason: string) => void told.dropped.push(reason),
  }
  const failed = (error: StreamError) => void told.failures.push(error)
  const counts = new Map(
    [...(await broker.topics(['countries', 'others'])).values()].map((own) => [own.topic, own.partitions]),
  )
  const { signal } = new AbortController()
  const options = { topology, settings, partitions: counts, state, broker, clock, logger, observer, signal, failed }
  const close = async () => {
    await state.close()
    await states.releasedGlobal()
    await states.close()
  }
  try {
    const tables = await GlobalTables.open(options)
    const get = (key: string) => tables.store('countries')?.get(key)?.value
    return {
      tables,
      told,
      clock,
      get,
      [Symbol.asyncDispose]: async () => {
        tables.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

describe('the global tables of an instance', () => {
  test('are complete before there is a task, and each instance has all of them', async () => {
    await using broker = await opened()
    await send(broker, 'countries', { ch: 'Switzerland', fr: 'France', it: 'Italy', at: 'Austria' })
    await send(broker, 'views', { a: 'ch', b: 'fr', c: 'it', d: 'at' })
    const options = { topology: topologyOf(), application: 'app', stateInMemory: true }

    await using first = new StreamRuntime({ ...options, broker })
    await using second = new StreamRuntime({ ...options, broker })
    await Promise.all([first.start(), second.start()])
    await first.drain()
    await second.drain()

    const [one, other] = [first, second].map(({ view }) => view.globalTables[0])
    expect(['ch', 'fr', 'it', 'at'].map((key) => one?.rows.get(key))).toEqual(
      ['Switzerland', 'France', 'Italy', 'Austria'].map((value) => ({ value, timestamp: 5 })),
    )
    expect(['ch', 'fr', 'it', 'at'].every((key) => other?.rows.get(key))).toBe(true)
    const ends = await broker.offsets([0, 1, 2].map((partition) => ({ topic: 'out', partition })))
    expect(ends.reduce((sum, { latest }) => sum + latest, 0)).toBe(4)
  })

  test('are kept current while the instance runs', async () => {
    await using broker = await opened()
    await send(broker, 'countries', { ch: 'Helvetia', fr: 'France' })
    await using own = await tablesOn(broker)

    await send(broker, 'countries', { ch: 'Switzerland', fr: null })
    await until(own.clock, () => own.get('ch') === 'Switzerland' && own.get('fr') === undefined)

    expect(own.tables.view).toMatchObject([{ name: 'countries', topic: 'countries', lag: 0 }])
  })

  test('have what no transaction has taken back', async () => {
    await using broker = await opened()
    const producer = await broker.producer({ transactionalId: 'writer' })
    const transaction = await producer.begin()
    const value = msgpack<string>().serialize('nowhere')
    const key = string.serialize('ch')
    await transaction.send([{ topic: 'countries', partition: 0, key, value, timestamp: 1, headers: noHeaders }])
    await using own = await tablesOn(broker)
    await transaction.abort()

    await own.tables.catchUp()

    expect(own.get('ch')).toBeUndefined()
  })

  test('on disk read only what is new after a restart', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await opened()
    await send(broker, 'countries', { ch: 'Switzerland', fr: 'France', it: 'Italy' })
    {
      await using before = await tablesOn(broker, { folder: folder.path })
      expect(before.told.records).toBe(3)
    }
    await send(broker, 'countries', { fr: null })

    await using after = await tablesOn(broker, { folder: folder.path })

    expect(after.told.records).toBe(1)
    expect([after.get('ch'), after.get('fr')]).toEqual(['Switzerland', undefined])
  })

  test('begin anew when their folder was left alone for longer than tombstones are kept', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await opened()
    await send(broker, 'countries', { ch: 'Switzerland' })
    const clock = new ManualClock(1_000)
    {
      await using _ = await tablesOn(broker, { folder: folder.path, clock })
    }
    clock.advance(13 * 60 * 60 * 1_000)

    await using after = await tablesOn(broker, { folder: folder.path, clock })

    expect(after.told.records).toBe(1)
  })

  test('begin anew with another topic, and with one that was made again', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await opened('others')
    await send(broker, 'countries', { ch: 'Switzerland', fr: 'France', it: 'Italy' })
    await send(broker, 'others', {
      ch: 'Elsewhere',
      it: 'Elsewhere',
      at: 'Elsewhere',
      de: 'Elsewhere',
      li: 'Elsewhere',
    })
    {
      await using _ = await tablesOn(broker, { folder: folder.path })
    }
    {
      await using other = await tablesOn(broker, { folder: folder.path, topology: topologyOf('others') })
      expect([other.get('ch'), other.get('fr')]).toEqual(['Elsewhere', undefined])
    }
    await broker.admin.deleteTopics(['others'])
    await broker.createTopics([{ topic: 'others', partitions }])
    await send(broker, 'others', { fr: 'France' })

    await using again = await tablesOn(broker, { folder: folder.path, topology: topologyOf('others') })

    expect([again.get('ch'), again.get('fr')]).toEqual([undefined, 'France'])
  })

  test('take partitions that are added to their topic', async () => {
    await using broker = await opened()
    let added = 2
    const growing = overlaid<Broker>(broker, {
      topics: async () => new Map([['countries', { topic: 'countries', partitions: added, cleanup: 'compact' }]]),
    })
    await using own = await tablesOn(growing)
    // In the third partition.
    const inThird = Array.from({ length: 20 }, (_, at) => `key-${at}`).find(
      (key) => partitionFor(string.serialize(key), partitions) === 2,
    )
    await send(broker, 'countries', { [inThird ?? '']: 'Atlantis' })

    added = 3
    own.clock.advance(60_000)
    await until(own.clock, () => own.get(inThird ?? '') === 'Atlantis')

    expect(own.tables.view[0]?.lag).toBe(0)
  })
})

describe('a global table that cannot be had', () => {
  test('keeps an instance from starting when its topic is missing', async () => {
    await using broker = await opened()
    const topology = topologyOf('nowhere')
    await using runtime = new StreamRuntime({ topology, broker, application: 'app', stateInMemory: true })

    await expect(runtime.start()).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
  })

  test('ends the start when no record comes for long, with what is missing', async () => {
    await using broker = await opened()
    await send(broker, 'countries', { ch: 'Switzerland', fr: 'France' })
    const silent = overlaid<Broker>(broker, {
      read: async function* () {
        await new Promise(() => undefined)
      },
    })
    const clock = new ManualClock()

    const opening = tablesOn(silent, { clock, settings: { processingDeadlineMs: 5_000 } })
    opening.catch(() => undefined)
    await until(clock, () => clock.now() > 5_000)

    await expect(opening).rejects.toMatchObject({
      code: 'PROCESSING_STALLED',
      fact: 'the global tables got nowhere for 5000 ms: "countries" lacks 2 records of topic "countries"',
    })
  })

  test('ends the start when the broker does not say how far its topic goes', async () => {
    await using broker = await opened()
    const unreachable = overlaid<Broker>(broker, {
      offsets: async () => {
        throw new StreamError('BROKER_UNREACHABLE', 'nobody answers')
      },
    })
    const clock = new ManualClock()

    const opening = tablesOn(unreachable, { clock, settings: { processingDeadlineMs: 5_000 } })
    opening.catch(() => undefined)
    await until(clock, () => clock.now() > 5_000)

    await expect(opening).rejects.toThrow('does not say how far their topics go')
  })

  test('is tried again when what hinders it passes, and ends the instance when it does not', async () => {
    await using broker = await opened()
    let failure: StreamError | undefined
    const flaky = overlaid<Broker>(broker, {
      offsets: async (places) => {
        if (failure) throw failure
        return broker.offsets(places)
      },
    })
    await using own = await tablesOn(flaky)

    failure = new StreamError('BROKER_UNREACHABLE', 'nobody answers')
    own.clock.advance(200)
    await expect(own.tables.catchUp()).rejects.toBe(failure)
    failure = undefined
    await send(broker, 'countries', { ch: 'Switzerland' })
    await until(own.clock, () => own.get('ch') === 'Switzerland')
    expect(own.told.failures).toEqual([])

    failure = new StreamError('BROKER_DENIED', 'the right was taken away')
    await until(own.clock, () => own.told.failures.length > 0)
    expect(own.told.failures).toEqual([failure])
  })

  test('passes over records that it cannot read, unless it is told to fail', async () => {
    await using broker = await opened()
    await sendRaw(broker, Uint8Array.of(0xc1))
    await send(broker, 'countries', { ch: 'Switzerland' })

    await using own = await tablesOn(broker)
    const failing = tablesOn(broker, { settings: { onUndecodable: 'fail' } })

    expect(own.get('ch')).toBe('Switzerland')
    expect(own.told.dropped).toEqual(['undecodable'])
    await expect(failing).rejects.toMatchObject({
      code: 'RECORD_UNDECODABLE',
      fact: expect.stringContaining('countries-0 offset 0 is no row of global table "countries"'),
    })
  })

  test('says so when its topic forgets rows', async () => {
    await using broker = await opened('others')
    const warnings: unknown[] = []
    const logger = overlaid(silentLogger, { warn: (facts: object) => void warnings.push(facts) })

    await using _ = await tablesOn(broker, { logger, topology: topologyOf('others') })

    expect(warnings).toEqual([{ topic: 'others', cleanup: 'delete' }])
  })
})

test('the folder of global tables goes with a reset', async () => {
  await using folder = await temporaryDirectory()
  await using broker = await opened()
  {
    await using _ = await tablesOn(broker, { folder: folder.path })
  }
  const place = join(folder.path, 'app', 'global')
  expect((await stat(place)).isDirectory()).toBe(true)
  const settings = parseSettings({ application: 'app', stateDirectory: folder.path })

  const options = { topology: topologyOf(), settings, broker }
  await resetApplication(await planReset(options), options)

  await expect(stat(place)).rejects.toThrow('ENOENT')
})
