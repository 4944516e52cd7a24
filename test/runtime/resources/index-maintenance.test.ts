import { describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { embed } from '../../../src/embed/embed.ts'
import { hash } from '../../../src/embed/hash.ts'
import { chunk } from '../../../src/operators/chunk.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { diff } from '../../../src/operators/diff.ts'
import { filter } from '../../../src/operators/filter.ts'
import { repartition } from '../../../src/operators/repartition.ts'
import { string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { VectorIndex } from '../../../src/topology/processor.ts'

const documents = kafka({ topic: 'documents', key: string, value: string })

/** Documents to an index; a part of the way may lead through a topic. A branch of it ends in another topic. */
function publishing(index: VectorIndex, { through }: { readonly through: boolean }) {
  const builder = new TopologyBuilder()
  const changed = builder.stream('documents', documents).process(dedupe('unchanged'))
  changed
    .process(filter('long', (text: string) => text.length > 100))
    .to('long-ones', kafkaTopic({ topic: 'long', key: string, value: string }))
  const published = changed.process(filter('published', (text: string) => !text.startsWith('draft')))
  const placed = through ? published.process(repartition('placed', { key: string, value: string })) : published
  placed
    .process(chunk('chunks', { text: (text: string) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 8 })))
    .to('index', index)
  return builder.build()
}

describe.each([
  ['in one piece', { through: false }],
  ['through a repartition', { through: true }],
])('a topology that leads to an index %s', (_, way) => {
  test('leaves no point of a document that is not published any more', async () => {
    const index = sqliteIndex({ path: ':memory:' })
    await using driver = await TopologyTestDriver.start(publishing(index, way))
    const points = async () => (await Array.fromAsync(index.scan())).map(({ payload }) => payload.content)

    await driver.pipe(documents, { key: 'a', value: 'hello' })
    const published = await points()
    await driver.pipe(documents, { key: 'a', value: 'draft: hello' })

    expect(published).toEqual(['hello'])
    expect(await points()).toEqual([])
  })

  test('tells every node above the index, and no other one', () => {
    const { nodes } = publishing(sqliteIndex({ path: ':memory:' }), way)

    const maintaining = ['unchanged', 'long', 'published', 'chunks', 'changes'].map((name) => {
      const node = nodes.get(name)
      return node?.kind === 'processor' && node.maintainsIndex
    })

    expect(maintaining).toEqual([true, false, true, true, true])
  })
})
