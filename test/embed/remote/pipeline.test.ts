import { expect, test } from 'vitest'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { embed } from '../../../src/embed/embed.ts'
import type { Embedder } from '../../../src/embed/embedder.ts'
import { tei } from '../../../src/embed/remote/tei.ts'
import { chunk } from '../../../src/operators/chunk.ts'
import { diff } from '../../../src/operators/diff.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { dump } from '../../support/document-pipeline.ts'
import { startTei } from '../../support/embedding-servers/index.ts'
import { quick, served } from './harness.ts'

const documents = kafka({ topic: 'documents', key: string, value: msgpack<string>() })
const letters = kafka({ topic: 'test-dead-letter', key: string, value: msgpack<unknown>() })

async function start(embedder: Embedder) {
  const index = sqliteIndex({ path: ':memory:' })
  const builder = new TopologyBuilder()
  builder
    .stream('documents', documents)
    .process(chunk('chunks', { text: (text) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', embedder))
    .to('index', index)
  return { index, driver: await TopologyTestDriver.start(builder.build()) }
}

test('documents that come while every server is down are in the index when one is back', async () => {
  const [one, two] = [await served(startTei()), await served(startTei())]
  const { index, driver } = await start(tei({ ...quick(), urls: [one.url, two.url] }))
  await driver.pipe(documents, { key: 'before', value: 'The mill grinds.' })
  await Promise.all([one.stop(), two.stop()])
  let isDone = false
  const piping = Promise.all([
    driver.pipe(documents, { key: 'meanwhile', value: 'The river is dry.' }),
    driver.pipe(documents, { key: 'before', value: 'The mill rests.' }),
  ]).finally(() => {
    isDone = true
  })
  for (let second = 0; second < 5; second++) await driver.tick(1_000)
  expect(isDone).toBe(false)

  await two.start()
  while (!isDone) await driver.tick(1_000)
  await piping

  expect((await dump(index)).map(({ key, text }) => `${key}: ${text}`).toSorted()).toEqual([
    'before: The mill rests.',
    'meanwhile: The river is dry.',
  ])
  expect(await driver.read(letters)).toEqual([])
  await driver[Symbol.asyncDispose]()
})

test('a document that the model cannot embed is given up alone', async () => {
  const server = await served(startTei())
  const { index, driver } = await start(tei({ ...quick(), urls: server.url }))
  let isDone = false
  const texts = ['The mill grinds.', 'NaN!', 'The river flows.']

  const piping = Promise.all(texts.map((value) => driver.pipe(documents, { key: value, value }))).finally(() => {
    isDone = true
  })
  while (!isDone) await driver.tick(1_000)
  await piping

  expect((await dump(index)).map(({ text }) => text).toSorted()).toEqual(['The mill grinds.', 'The river flows.'])
  expect((await driver.read(letters)).map(({ key }) => key)).toEqual(['NaN!'])
  await driver[Symbol.asyncDispose]()
})
