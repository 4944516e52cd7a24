import { describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { embed } from '../../../src/embed/embed.ts'
import { hash } from '../../../src/embed/hash.ts'
import {
  chunk,
  diff,
  joinGlobalTable,
  joinTable,
  leftJoinGlobalTable,
  leftJoinTable,
} from '../../../src/operators/index.ts'
import { string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream } from '../../../src/topology/stream.ts'

const documents = kafka({ topic: 'documents', key: string, value: string })
const authors = kafka({ topic: 'authors', key: string, value: string })

type Declare = (builder: TopologyBuilder, stream: Stream<string, string>) => Stream<string, string>

/** A driver of a join that ends in an index, and what the index has. */
async function indexed(join: Declare) {
  const index = sqliteIndex({ path: ':memory:' })
  const builder = new TopologyBuilder()
  join(builder, builder.stream('documents', documents))
    .process(chunk('chunks', { text: (text: string) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 8 })))
    .to('index', index)
  const driver = await TopologyTestDriver.start(builder.build())
  const points = async () => (await Array.fromAsync(index.scan())).map(({ payload }) => payload.content).toSorted()
  return { driver, points }
}

const signed = (text: string, author: string | null) => `${text} by ${author}`
const by = (text: string) => (text === 'secret' ? null : 'a')

const inner: readonly (readonly [string, Declare])[] = [
  ['joinTable', (builder, stream) => stream.process(joinTable('signed', builder.table('authors', authors), signed))],
  [
    'joinGlobalTable',
    (builder, stream) =>
      stream.process(joinGlobalTable('signed', builder.globalTable('authors', authors), signed, { by })),
  ],
]
const left: readonly (readonly [string, Declare])[] = [
  [
    'leftJoinTable',
    (builder, stream) => stream.process(leftJoinTable('signed', builder.table('authors', authors), signed)),
  ],
  [
    'leftJoinGlobalTable',
    (builder, stream) =>
      stream.process(leftJoinGlobalTable('signed', builder.globalTable('authors', authors), signed, { by })),
  ],
]

describe('a join of a stream that ends in an index', () => {
  test.each([...inner, ...left])('%s lets deletions of documents through', async (_, join) => {
    const { driver, points } = await indexed(join)
    await using _driver = driver
    await driver.pipe(authors, { key: 'a', value: 'Ann' })
    await driver.pipe(documents, { key: 'a', value: 'hello' })
    const published = await points()

    await driver.pipe(documents, { key: 'a', value: null })

    expect([published, await points()]).toEqual([['hello by Ann'], []])
  })

  test.each(inner)('%s deletes a document that finds no row any more', async (_, join) => {
    const { driver, points } = await indexed(join)
    await using _driver = driver
    await driver.pipe(authors, { key: 'a', value: 'Ann' })
    await driver.pipe(documents, { key: 'a', value: 'hello' })
    await driver.pipe(authors, { key: 'a', value: null })

    await driver.pipe(documents, { key: 'a', value: 'hello again' })

    expect(await points()).toEqual([])
  })

  test('joinGlobalTable deletes a document that refers to no row any more', async () => {
    const { driver, points } = await indexed((builder, stream) =>
      stream.process(joinGlobalTable('signed', builder.globalTable('authors', authors), signed, { by })),
    )
    await using _driver = driver
    await driver.pipe(authors, { key: 'a', value: 'Ann' })
    await driver.pipe(documents, { key: 'd', value: 'hello' })

    await driver.pipe(documents, { key: 'd', value: 'secret' })

    expect(await points()).toEqual([])
  })

  test('a deletion waits with graceMs as documents do, behind the one that it deletes', async () => {
    const { driver, points } = await indexed((builder, stream) =>
      stream.process(
        leftJoinTable('signed', builder.table('authors', authors, { historyMs: 1_000 }), signed, { graceMs: 10 }),
      ),
    )
    await using _driver = driver
    await driver.pipe(documents, { key: 'a', value: 'hello', timestamp: 100 })
    await driver.pipe(documents, { key: 'a', value: null, timestamp: 101 })
    await driver.crashAndRestart()

    await driver.pipe(documents, { key: 'b', value: 'next', timestamp: 200 })
    await driver.pipe(documents, { key: 'c', value: 'last', timestamp: 300 })

    expect(await points()).toEqual(['next by null'])
  })
})
