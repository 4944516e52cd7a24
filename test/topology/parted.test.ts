import { describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed, hash } from '../../src/embed/index.ts'
import {
  branches,
  chunk,
  diff,
  filter,
  filterNot,
  joinGlobalTable,
  mapValues,
  merge,
  repartition,
} from '../../src/operators/index.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import type { Stream } from '../../src/topology/stream.ts'

type Texts = Stream<string, string>
type Declare = (documents: Texts, builder: TopologyBuilder) => void

const source = (topic: string) => kafka({ topic, key: string, value: string })
const target = kafkaTopic({ topic: 'out', key: string, value: string })
const isDraft = (text: string) => text.startsWith('draft')

function intoIndex(stream: Texts, index: VectorIndex = sqliteIndex({ path: ':memory:' }), name = 'index'): void {
  stream
    .process(chunk(`${name}-chunks`, { text: (text) => text }))
    .process(diff(`${name}-changes`, { against: index }))
    .process(embed(`${name}-vectors`, hash({ dimensions: 8 })))
    .to(name, index)
}

function building(declare: Declare): () => unknown {
  const builder = new TopologyBuilder()
  declare(builder.stream('documents', source('documents')), builder)
  return () => builder.build()
}

const parted = (documents: Texts) => {
  const drafts = documents.process(filter('drafts', isDraft)).process(mapValues('marked', (text) => `[${text}]`))
  return drafts.process(merge('all', documents.process(filterNot('rest', isDraft))))
}

describe('before an index', () => {
  test.each<[string, Declare]>([
    ['what two filters have parted', (documents) => intoIndex(parted(documents))],
    [
      'the same behind a topic',
      (documents) => intoIndex(parted(documents).process(repartition('by-key', { key: string, value: string }))),
    ],
    [
      'a filtered stream and the whole of it',
      (documents) => intoIndex(documents.process(filter('drafts', isDraft)).process(merge('all', documents))),
    ],
    [
      'a stream that lost what has no row, and the whole of it',
      (documents, builder) => {
        const authors = builder.globalTable('authors', source('authors'))
        const known = documents.process(joinGlobalTable('drafts', authors, (text) => text, { by: (text) => text }))
        intoIndex(known.process(merge('all', documents)))
      },
    ],
  ])('%s cannot be merged: each way would delete what the other one keeps', (_, declare) => {
    expect(building(declare)).toThrow(
      expect.objectContaining({
        code: 'TOPOLOGY_INVALID',
        fact: expect.stringContaining('"all" brings together what "drafts" has parted'),
      }),
    )
  })

  test.each<[string, Declare]>([
    [
      'branches, also with a filter in one of them',
      (documents) => {
        const { drafts, rest } = documents.split(
          branches('state', { drafts: (text) => isDraft(text ?? ''), rest: () => true }),
        )
        intoIndex(drafts.process(filter('long', (text) => text.length > 10)).process(merge('all', rest)))
      },
    ],
    [
      'filtered streams of different topics',
      (documents, builder) =>
        intoIndex(
          documents.process(filter('long', isDraft)).process(merge('all', builder.stream('more', source('more')))),
        ),
    ],
    [
      'what was filtered before it was parted',
      (documents) => {
        const long = documents.process(filter('long', (text) => text.length > 10))
        intoIndex(long.process(mapValues('loud', (text) => `${text}!`)).process(merge('all', long)))
      },
    ],
  ])('%s can be merged', (_, declare) => {
    expect(building(declare)).not.toThrow()
  })

  test('one stream is not written to an index by two ways', () => {
    const index = sqliteIndex({ path: 'points.db' })
    const twice: Declare = (documents) => {
      intoIndex(documents.process(filter('drafts', isDraft)), index, 'one')
      intoIndex(documents.process(filterNot('rest', isDraft)), index, 'two')
    }

    expect(building(twice)).toThrow(/nodes "one" and "two" write documents of one stream to the index /)
  })

  test('streams of different topics are written to one index, and one stream to different ones', () => {
    const index = sqliteIndex({ path: 'points.db' })

    expect(
      building((documents, builder) => {
        intoIndex(documents, index, 'one')
        intoIndex(builder.stream('more', source('more')), index, 'two')
        intoIndex(documents, sqliteIndex({ path: 'others.db' }), 'three')
      }),
    ).not.toThrow()
  })
})

test('elsewhere, what two filters have parted can be merged', () => {
  expect(building((documents) => parted(documents).to('out', target))).not.toThrow()
})
