import { expect, test } from 'vitest'
import { z } from 'zod'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { mapValues } from '../../src/operators/map-values.ts'
import { latest } from '../../src/operators/tables/latest.ts'
import type { Serde } from '../../src/serde.ts'
import { json, msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver, type TopologyTestDriverOptions } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'

interface View {
  readonly page: string
  readonly at?: Date
}

const words = kafka({ topic: 'words', key: string, value: string })

/** JSON without a schema: a date comes back as text. */
const anyJson: Serde<View> = {
  name: 'any-json',
  serialize: (value) => Buffer.from(JSON.stringify(value)),
  deserialize: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
}

function topologyTo(value: Serde<View>, made: (word: string) => View) {
  const builder = new TopologyBuilder()
  builder
    .stream('words', words)
    .process(mapValues('views', made))
    .to('out', kafkaTopic({ topic: 'views', key: string, value }))
  return builder.build()
}

async function pipedThrough(topology: ReturnType<typeof topologyTo>, options: TopologyTestDriverOptions = {}) {
  await using driver = await TopologyTestDriver.start(topology, options)
  await driver.pipe(words, { key: 'a', value: 'one' })
  // What was told once is told.
  await driver.pipe(words)
}

test('a serde of a topic that gives another value than it got is named with the place', async () => {
  const piped = pipedThrough(topologyTo(anyJson, (page) => ({ page, at: new Date(0) })))

  await expect(piped).rejects.toMatchObject({
    code: 'SERDE_MISMATCH',
    fact: 'the value serde of topic "views" (any-json) gives back another value than it was given: at "at" Date 1970-01-01T00:00:00.000Z became "1970-01-01T00:00:00.000Z"',
  })
})

test('a schema that drops what it does not know is found', async () => {
  const piped = pipedThrough(topologyTo(json(z.object({ page: z.string() })), (page) => ({ page, at: new Date(0) })))

  await expect(piped).rejects.toThrow(/at "at" .* became undefined/)
})

test('a serde that cannot read what it wrote is found, in a store too', async () => {
  const builder = new TopologyBuilder()
  const strict = json(z.string().max(2))
  builder.stream('words', words).toTable(latest('words-table', { value: strict }))
  await using driver = await TopologyTestDriver.start(builder.build())

  const piped = driver.pipe(words, { key: 'a', value: 'three' })

  await expect(piped).rejects.toThrow(
    /the value serde of store "words-table" \(.*json.*\) cannot read what it wrote: the JSON value does not fit its schema/,
  )
})

test('a value that the test itself feeds in is checked', async () => {
  const views = kafka({ topic: 'views', key: string, value: anyJson })
  const builder = new TopologyBuilder()
  builder.stream('views', views).to('copies', kafkaTopic({ topic: 'copies', key: string, value: msgpack<View>() }))
  await using driver = await TopologyTestDriver.start(builder.build())

  const piped = driver.pipe(views, { key: 'a', value: { page: '/', at: new Date(0) } })

  await expect(piped).rejects.toMatchObject({ code: 'SERDE_MISMATCH' })
})

test.each([
  ['a property that is undefined and one that is absent', { page: '/', at: undefined } as unknown as View],
  ['zero and minus zero', { page: '/', size: -0 } as View],
  ['a class and its properties', Object.assign(Object.create({ tag: 'view' }), { page: '/' }) as View],
  ['a buffer and its bytes', { page: '/', bytes: Buffer.from('ab') } as View],
])('%s count as the same', async (_, value) => {
  await pipedThrough(topologyTo(msgpack<View>(), () => value))
})

test('a test may leave it out', async () => {
  await pipedThrough(
    topologyTo(anyJson, (page) => ({ page, at: new Date(0) })),
    { checkSerdes: false },
  )
})
