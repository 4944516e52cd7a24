import { describe, expect, expectTypeOf, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import { hash } from '../../src/embed/hash.ts'
import { branches, chunk, diff, mapValues, merge } from '../../src/operators/index.ts'
import { string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { describeTopology } from '../../src/topology/describe.ts'
import type { Stream } from '../../src/topology/stream.ts'
import { drive, input, outputs } from '../support/drive.ts'

const documents = kafka({ topic: 'documents', key: string, value: string })
const drafts = kafkaTopic({ topic: 'drafts', key: string, value: string })

/** Drafts go to a topic, the others to the index. */
function publishing(index: ReturnType<typeof sqliteIndex>) {
  const builder = new TopologyBuilder()
  const { draft, published } = builder.stream('documents', documents).split(
    branches('documents-by-state', {
      draft: (text) => text?.startsWith('draft') ?? false,
      published: (text) => text !== null,
    }),
  )
  draft.to('drafts', drafts)
  published
    .process(chunk('chunks', { text: (text: string) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 8 })))
    .to('index', index)
  return builder.build()
}

describe('split', () => {
  test('sends each record to the first branch whose predicate it passes, null values too', async () => {
    await using driver = await drive<number>((stream) => {
      const { none, small, even } = stream.split(
        branches('by', {
          none: (value) => value === null,
          small: (value) => Number(value) < 10,
          even: (value) => Number(value) % 2 === 0,
        }),
      )
      return none
        .process(mapValues('nothing', (value) => `none ${value}`))
        .process(merge('both', small.process(mapValues('less', (value) => `small ${value}`))))
        .process(merge('all', even.process(mapValues('twice', (value) => `even ${value}`))))
    })

    for (const [index, value] of [2, 12, 13, null].entries()) await driver.pipe(input, { key: `${index}`, value })

    expect(await outputs(driver)).toEqual(['0="small 2"', '1="even 12"', '3=-'])
  })

  test('is a node, with one for each branch', () => {
    const { subtopologies } = describeTopology(publishing(sqliteIndex({ path: ':memory:' })))
    const nodes = subtopologies[0]?.nodes.map(({ name, does, children }) => [name, does, children])

    expect(nodes?.slice(1, 4)).toEqual([
      ['documents-by-state', 'split', ['documents-by-state-draft', 'documents-by-state-published']],
      ['documents-by-state-draft', 'branch', ['drafts']],
      ['documents-by-state-published', 'branch', ['chunks']],
    ])
  })

  test('what goes another way, or nowhere, leaves the index that its branch ends in', async () => {
    const index = sqliteIndex({ path: ':memory:' })
    await using driver = await TopologyTestDriver.start(publishing(index))
    const points = async () => (await Array.fromAsync(index.scan())).map(({ payload }) => payload.content)

    await driver.pipe(documents, { key: 'a', value: 'hello' }, { key: 'b', value: 'hi' })
    const published = await points()
    await driver.pipe(documents, { key: 'a', value: 'draft: hello' }, { key: 'b', value: null })

    expect(published.toSorted()).toEqual(['hello', 'hi'])
    expect(await points()).toEqual([])
    expect((await driver.read(drafts)).map(({ key, value }) => [key, value])).toEqual([['a', 'draft: hello']])
  })

  test('branches that are merged before an index keep what goes from one of them to another', async () => {
    const index = sqliteIndex({ path: ':memory:' })
    const builder = new TopologyBuilder()
    const { draft, loud, rest } = builder.stream('documents', documents).split(
      branches('documents-by-state', {
        draft: (text) => text?.startsWith('draft') ?? false,
        loud: (text) => text?.endsWith('!') ?? false,
        rest: () => true,
      }),
    )
    draft.to('drafts', drafts)
    loud
      .process(mapValues('louder', (text) => text.toUpperCase()))
      .process(merge('published', rest))
      .process(chunk('chunks', { text: (text: string) => text }))
      .process(diff('changes', { against: index }))
      .process(embed('vectors', hash({ dimensions: 8 })))
      .to('index', index)
    await using driver = await TopologyTestDriver.start(builder.build())
    const points = async () => (await Array.fromAsync(index.scan())).map(({ payload }) => payload.content).toSorted()

    const seen: string[][] = []
    for (const [a, b] of [
      ['hi!', 'hello'],
      ['hi', 'hello!'],
      ['draft: hi', null],
    ] as const) {
      await driver.pipe(documents, { key: 'a', value: a }, { key: 'b', value: b })
      seen.push(await points())
    }

    expect(seen).toEqual([['HI!', 'hello'], ['HELLO!', 'hi'], []])
  })

  test('a branch with a number for a name is refused: it would not keep its place', () => {
    expect(() => branches('by', { small: () => true, 2: () => true })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        fact: 'branch 2 of step "by" has a number for a name, which would come before all others',
      }),
    )
  })

  test('types of keys and values flow into predicates and out of branches', () => {
    const stream = new TopologyBuilder().stream('documents', documents)

    const parted = stream.split(
      branches('by-length', {
        long: (text, key) => {
          expectTypeOf(text).toEqualTypeOf<string | null>()
          expectTypeOf(key).toEqualTypeOf<string>()
          return (text?.length ?? 0) > 100
        },
        rest: () => true,
      }),
    )

    expectTypeOf(parted).toEqualTypeOf<Readonly<Record<'long' | 'rest', Stream<string, string>>>>()
    // @ts-expect-error there is no such branch
    expect(parted.short).toBeUndefined()
  })
})
