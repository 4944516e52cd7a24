import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { avro, embeddedBroker, kafka, kafkaTopic, schemaRegistry } from '../../../src/connectors/index.ts'
import { framed } from '../../../src/connectors/schema-registry/framing.ts'
import type { GivenUpEvent } from '../../../src/runtime/observer.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { bytes, string } from '../../../src/serde.ts'
import { TopologyTestDriver, type TopologyTestDriverOptions } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { FastClock } from '../../support/fast-clock.ts'
import { SchemaRegistryDouble } from '../../support/schema-registry-double.ts'

const Document = z.object({ title: z.string() })
const fields = [{ name: 'title', type: 'string' }]
const schema = JSON.stringify({ type: 'record', name: 'Document', fields })
/** The same topic, with values as they are. */
const raw = kafka({ topic: 'documents', key: string, value: bytes })
const wheels = Buffer.from('\x0cWheels')

let server: SchemaRegistryDouble
beforeEach(async () => {
  server = await SchemaRegistryDouble.start()
  server.put(300, { schema })
})
afterEach(() => server[Symbol.asyncDispose]())

/** Copies a topic of Avro documents to another one. */
function copying(url = server.url) {
  const registry = schemaRegistry({ url, clock: new FastClock(100), requestTimeoutMs: 600_000 })
  const source = kafka({ topic: 'documents', key: string, value: avro(registry, Document) })
  const target = kafkaTopic({ topic: 'copy', key: string, value: avro(registry, Document, { schema }) })
  const builder = new TopologyBuilder()
  builder.stream('documents', source).to('copy', target)
  return { topology: builder.build(), source, target }
}

async function start(options: TopologyTestDriverOptions = {}) {
  const { topology, source, target } = copying()
  return { source, target, driver: await TopologyTestDriver.start(topology, options) }
}

test('documents and tombstones go from topic to topic, in order', async () => {
  const { driver, target } = await start()
  await using _ = driver

  await driver.pipe(
    raw,
    { key: 'a', value: framed(300, wheels) },
    { key: 'b', value: framed(300, wheels) },
    { key: 'a', value: null },
  )

  expect((await driver.read(target)).map(({ key, value }) => [key, value])).toEqual([
    ['a', { title: 'Wheels' }],
    ['b', { title: 'Wheels' }],
    ['a', null],
  ])
  expect(server.lines).toEqual(['POST /subjects/copy-value/versions', 'GET /schemas/ids/300'])
})

test('a record whose schema does not exist is a dead letter, and the next one is read', async () => {
  const givenUp: GivenUpEvent[] = []
  const { driver, target } = await start({ observer: { givenUp: (event) => void givenUp.push(event) } })
  await using _ = driver

  await driver.pipe(
    raw,
    { key: 'a', value: framed(77, wheels) },
    { key: 'b', value: Buffer.from('{"title":"JSON"}') },
    { key: 'c', value: framed(300, Buffer.from('\x0cWh')) },
    { key: 'd', value: framed(300, wheels) },
  )

  expect((await driver.read(target)).map(({ key }) => key)).toEqual(['d'])
  expect(givenUp.map(({ error, deadLettered }) => [error.code, deadLettered, error.fact])).toEqual([
    ['RECORD_UNDECODABLE', true, expect.stringContaining('schema 77 cannot be used')],
    ['RECORD_UNDECODABLE', true, expect.stringContaining('it begins with byte 123, not 0')],
    ['RECORD_UNDECODABLE', true, expect.stringContaining('does not fit schema 300')],
  ])
})

test('a registry that is down makes no dead letters: what comes is read when it is back', async () => {
  const givenUp: GivenUpEvent[] = []
  const { driver, target } = await start({ observer: { givenUp: (event) => void givenUp.push(event) } })
  await using _ = driver
  server.always = { status: 503, body: 'down' }

  const asked = server.lines.length
  const piped = driver.pipe(raw, { key: 'a', value: framed(300, wheels) }, { key: 'b', value: framed(300, wheels) })
  await expect.poll(() => server.lines.length).toBeGreaterThan(asked + 2)
  server.always = undefined
  await piped

  expect((await driver.read(target)).map(({ key }) => key)).toEqual(['a', 'b'])
  expect(givenUp).toEqual([])
})

test('a start waits for a registry that is down, before it writes', async () => {
  server.faults.push('reset', { status: 502, body: 'down' })

  const { driver } = await start()
  await driver[Symbol.asyncDispose]()

  expect(server.latest('copy-value')).toBe(300)
})

test('a start that waits for a registry can be called off', async () => {
  server.always = { status: 503, body: 'down' }
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics(['documents', 'copy'].map((topic) => ({ topic, partitions: 1 })))
  const runtime = new StreamRuntime({ topology: copying().topology, broker, application: 'app', stateInMemory: true })
  const starting = runtime.start()
  await expect.poll(() => server.lines.length).toBeGreaterThan(1)

  await runtime.close()
  await starting

  expect(runtime.state).toBe('closed')
})

test.each([
  ['refuses access', { status: 401, body: { error_code: 401, message: 'Unauthorized' } }, 'REGISTRY_DENIED'],
  ['is none', { status: 200, body: '<!doctype html>' }, 'CONFIG_INVALID'],
  ['refuses the schema', { status: 409, body: { error_code: 409, message: 'incompatible' } }, 'SCHEMA_REFUSED'],
])('a registry that %s ends the start with one sentence', async (_, answer, code) => {
  server.always = answer

  await expect(start()).rejects.toMatchObject({ code, exitCode: 78 })
})

test('a registry that refuses access while records come ends the instance', async () => {
  const { driver } = await start()
  server.always = { status: 403, body: { error_code: 40301, message: 'Forbidden' } }

  await expect(driver.pipe(raw, { key: 'a', value: framed(300, wheels) })).rejects.toMatchObject({
    code: 'REGISTRY_DENIED',
  })
  await driver[Symbol.asyncDispose]()
})
