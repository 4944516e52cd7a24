import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseSettings } from '../../../src/config.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { repartition } from '../../../src/operators/repartition.ts'
import type { Broker, BrokerAdmin } from '../../../src/runtime/broker.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { planReset, resetApplication } from '../../../src/runtime/topics/reset.ts'
import { string } from '../../../src/serde.ts'
import { openStateDirectory } from '../../../src/state/state-directory.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { numbered, text } from '../../contracts/broker/harness.ts'
import { overlaid } from '../../support/overlaid.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts'

const internal = ['app-by-key-repartition', 'app-seen-changelog']

let log: EmbeddedBroker
let folder: TemporaryDirectory
beforeEach(async () => {
  folder = await temporaryDirectory()
  log = embeddedBroker()
  await log.open()
  await log.createTopics([{ topic: 'in', partitions: 2 }])
  const producer = await log.producer()
  await producer.send(numbered(3).map((value) => text({ topic: 'in', partition: 0 }, value)))
})
afterEach(async () => {
  await log.close()
  await folder[Symbol.asyncDispose]()
})

/** Remembers what it has seen, behind a topic of its own. */
function topologyInto(sink: RecordingSink) {
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: 'in', key: string, value: string }))
    .process(repartition('by-key', { key: string, value: string }))
    .process(dedupe('seen'))
    .to('out', sink)
  return builder.build()
}

const settings = () => ({ application: 'app', stateDirectory: folder.path, commitIntervalMs: 10 })

const subject = (broker: Broker = log) => ({
  topology: topologyInto(new RecordingSink()),
  settings: parseSettings(settings()),
  broker,
})

async function reset(broker: Broker = log): Promise<void> {
  await resetApplication(await planReset(subject(broker)), subject(broker))
}

/** Runs until everything is committed; gives what came out. */
async function run(): Promise<readonly string[]> {
  const sink = new RecordingSink()
  const broker = log.connect()
  await broker.open()
  await using runtime = new StreamRuntime({ topology: topologyInto(sink), broker, ...settings() })
  await runtime.start()
  await runtime.drain()
  return sink.written.map((line) => line.replace(/^\S+ /, '')).toSorted()
}

/** The log, with an administration that fails at one point. */
function failingAt(name: keyof BrokerAdmin): Broker {
  const fail = () => Promise.reject(new StreamError('BROKER_DENIED', 'not for you'))
  return overlaid<Broker>(log, { admin: { ...log.admin, [name]: fail } })
}

test('an application that was reset begins anew: it sees everything again', async () => {
  const [first, second] = [await run(), await run()]

  await reset()

  expect([first, second, await run()]).toEqual([numbered(3), [], numbered(3)])
})

test('a plan names what is there, and touches nothing', async () => {
  await run()

  const plan = await planReset(subject())

  expect(plan).toEqual({
    application: 'app',
    committed: ['app-by-key-repartition', 'in'],
    topics: internal,
    stateFolder: join(folder.path, 'app'),
    members: [],
  })
  expect(await run()).toEqual([])
})

test('the topics that it reads and other applications keep what they have', async () => {
  await run()
  await using _ = await openStateDirectory(folder.path, 'other')

  await reset()

  expect([...(await log.topics(['in', ...internal])).keys()]).toEqual(['in'])
  expect(await readdir(folder.path)).toEqual(['other'])
  expect(await planReset(subject())).toMatchObject({ committed: [], topics: [], stateFolder: undefined })
})

test('what lies in the state folder and is none of ours stays', async () => {
  await run()
  await writeFile(join(folder.path, 'app', 'notes.md'), 'mine')
  await mkdir(join(folder.path, 'app', 'backup'))

  await reset()

  expect((await readdir(join(folder.path, 'app'))).toSorted()).toEqual(['backup', 'notes.md'])
  expect((await planReset(subject())).stateFolder).toBeUndefined()
})

test('nothing is deleted while an instance runs', async () => {
  const broker = log.connect()
  await broker.open()
  const topology = topologyInto(new RecordingSink())
  await using runtime = new StreamRuntime({ topology, broker, ...settings() })
  await runtime.start()
  await runtime.drain()

  await expect(reset()).rejects.toMatchObject({
    code: 'GROUP_ACTIVE',
    fact: expect.stringMatching(/group "app" has 1 member \(this process\), so nothing was deleted/),
  })
  expect((await log.topics(internal)).size).toBe(2)
  expect(await log.committedTopics('app')).toContain('in')
})

test('an instance that comes in the last moment is noticed by the group', async () => {
  await run()
  const stale = await planReset(subject())
  const broker = log.connect()
  await broker.open()
  const topology = topologyInto(new RecordingSink())
  await using runtime = new StreamRuntime({ topology, broker, ...settings(), stateInMemory: true })
  await runtime.start()

  await expect(resetApplication(stale, subject())).rejects.toMatchObject({ code: 'GROUP_ACTIVE' })
  expect((await planReset(subject())).stateFolder).toBeDefined()
})

test('the state of another process is not deleted', async () => {
  await run()
  await using _ = await openStateDirectory(folder.path, 'app')

  await expect(reset()).rejects.toMatchObject({ code: 'STATE_LOCKED' })
})

test.each(['deleteGroup', 'deleteTopics'] as const)(
  'a reset that failed at %s is finished by another one',
  async (name) => {
    await run()

    await expect(reset(failingAt(name))).rejects.toMatchObject({ code: 'BROKER_DENIED' })
    await reset()

    expect(await planReset(subject())).toMatchObject({ committed: [], topics: [], stateFolder: undefined })
    expect(await run()).toEqual(numbered(3))
  },
)

test('a reset that cannot forget the offsets deletes nothing', async () => {
  await run()

  await expect(reset(failingAt('deleteGroup'))).rejects.toThrow()

  expect(await planReset(subject())).toMatchObject({ topics: internal, stateFolder: join(folder.path, 'app') })
})

test('a reset that failed in the middle leaves an application that loses nothing', async () => {
  await run()
  const producer = await log.producer()
  await producer.send([text({ topic: 'in', partition: 1 }, 'new')])

  await expect(reset(failingAt('deleteTopics'))).rejects.toThrow()

  expect(new Set(await run())).toEqual(new Set([...numbered(3), 'new']))
})
