import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { documentTopology } from '../../src/cli/documents.ts'
import { kafka, qdrant, sqliteIndex } from '../../src/connectors/index.ts'
import { embed, hash, tokenLimit } from '../../src/embed/index.ts'
import { addFolder } from '../../src/embed/models/add-folder.ts'
import { chunk, dedupe, diff, filter } from '../../src/operators/index.ts'
import { readPipeline } from '../../src/pipeline/index.ts'
import { pipelinesOf } from '../../src/runtime/resources/pipelines.ts'
import { json, type Serde, string } from '../../src/serde.ts'
import { type TestRecord, TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { describeTopology } from '../../src/topology/describe.ts'
import type { StoredPoint, VectorIndex } from '../../src/topology/processor.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { pipelineOf, pipelineOptions, smallPipeline } from '../support/pipelines.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { writeTinyModel } from '../support/tiny-model.ts'

const full = `
application: articles
source: { topic: articles }
document: { text: body, title: title, metadata: { author: author.name, tags: tags } }
filter:
  - { field: published, equals: true }
chunker: { min: 20, max: 200, kind: plain }
model: { hash: { dimensions: 32 } }
index: { qdrant: { collection: articles } }
`

interface Article {
  readonly title: string
  readonly body: string
  readonly published: boolean
}

/** What somebody would write who does not use YAML. */
function written(): Topology {
  const index = qdrant({ collection: 'articles' })
  const model = hash({ dimensions: 32 })
  const Article = z.object({ title: z.string(), body: z.string(), published: z.boolean() })
  const builder = new TopologyBuilder()
  builder
    .stream('documents', kafka({ topic: 'articles', key: string, value: json<Article>(Article) }))
    .process(filter('selected', (article) => article.published))
    .process(dedupe('unchanged'))
    .process(
      chunk('chunks', {
        text: (d) => d.body,
        title: (d) => d.title,
        min: 20,
        max: 200,
        kind: 'plain',
        limit: tokenLimit(model),
      }),
    )
    .process(diff('changes', { against: index }))
    .process(embed('vectors', model))
    .to('index', index)
  return builder.build()
}

describe('a pipeline file', () => {
  test('becomes the topology that TypeScript builds: the same graph, the same stores, the same pipeline', () => {
    const { topology } = pipelineOf(full)

    expect(describeTopology(topology)).toEqual(describeTopology(written()))
    for (const node of topology.nodes.keys())
      expect(pipelinesOf(topology)(node), node).toEqual(pipelinesOf(written())(node))
  })

  test('over files is the pipeline of `millrace index`', () => {
    const { topology } = pipelineOf(smallPipeline)
    const indexed = documentTopology(sqliteIndex({ path: ':memory:' }), hash({ dimensions: 32 }))

    expect(describeTopology(topology)).toEqual(describeTopology(indexed))
    expect(pipelinesOf(topology)('index')).toEqual(pipelinesOf(indexed)('index'))
  })

  test('has another pipeline with another chunker', () => {
    const other = pipelineOf(full.replace('max: 200', 'max: 300')).topology

    expect(pipelinesOf(other)('index').id).not.toBe(pipelinesOf(written())('index').id)
  })

  test('says how its runtime is set and where its brokers are', () => {
    const { settings, kafka } = pipelineOf(`${smallPipeline}
kafka: { brokers: 'a:1, b:2', clientId: me, ssl: true, sasl: { mechanism: plain, username: u, password: p } }
runtime: { commitIntervalMs: 100, numStandbyReplicas: 1 }
deadLetters: { onUndecodable: skip, topic: lost }
`)

    expect(settings).toMatchObject({
      application: 'documents',
      commitIntervalMs: 100,
      numStandbyReplicas: 1,
      onUndecodable: 'skip',
      onFailedRecord: 'dead-letter',
      deadLetterTopic: 'lost',
    })
    const sasl = { mechanism: 'plain', username: 'u', password: 'p' }
    expect(kafka).toEqual({ brokers: ['a:1', 'b:2'], clientId: 'me', ssl: true, sasl })
  })
})

/** Runs records through a pipeline into an index in memory, and gives its points. */
async function indexed(
  text: string,
  value: Serde<never>,
  ...records: TestRecord<string, unknown>[]
): Promise<readonly StoredPoint[]> {
  const { topology } = pipelineOf(`${text}
application: test
model: { hash: { dimensions: 32 } }
index: { sqlite: { path: ':memory:' } }
`)
  await using driver = await TopologyTestDriver.start(topology)
  const source = kafka<string, unknown>({ topic: 'documents', key: string, value: value as Serde<unknown> })
  for (const record of records) await driver.pipe(source, record)
  return await Array.fromAsync(indexAt(topology).scan())
}

function indexAt(topology: Topology): VectorIndex {
  const node = topology.nodes.get('index')
  if (node?.kind !== 'sink' || node.target.kind !== 'sink') throw new Error('there is no index')
  return node.target.sink as VectorIndex
}

const anyJson = json(z.any()) as Serde<never>

test('a pipeline file finds added models where the process keeps them, unless it says where', async () => {
  await using folder = await temporaryDirectory()
  const [tiny, modelsFolder] = [join(folder.path, 'tiny'), join(folder.path, 'models')]
  await writeTinyModel(tiny)
  await addFolder(tiny, { modelsFolder })
  const onnx = (more: string) =>
    smallPipeline.replace('hash: { dimensions: 32 }', `onnx: { model: tiny, workers: 1${more} }`)
  const open = async (text: string) => {
    const node = readPipeline(text, { ...pipelineOptions(), modelsFolder }).topology.nodes.get('vectors')
    const [embedder] = (node?.kind === 'processor' && node.supplier.resources) || []
    await embedder?.open()
    await embedder?.close()
  }

  await expect(open(onnx(''))).resolves.toBeUndefined()
  await expect(open(onnx(`, modelsFolder: ${folder.path}`))).rejects.toThrow(/^MODEL_MISSING/)
})

describe('documents of a pipeline file', () => {
  const articles = `
source: { topic: documents }
document: { text: body.text, title: name, metadata: { author: author.name, first: tags.0, odd: '/a.b/c~1d' } }
filter: [{ field: state, notEquals: draft }]
`

  test('get text, title and metadata from the fields that are named', async () => {
    const value = {
      name: 'Mills',
      body: { text: 'They grind.' },
      author: { name: 'Ada' },
      tags: ['x', 'y'],
      'a.b': { 'c/d': 1 },
    }

    const [point, ...others] = await indexed(articles, anyJson, { key: 'a', value })

    expect(others).toEqual([])
    expect(point?.payload).toMatchObject({
      content: 'They grind.',
      metadata: { author: 'Ada', first: 'x', odd: 1, source: 'a', heading: 'Mills' },
    })
  })

  test('have no title where the field holds something else', async () => {
    const [point] = await indexed(articles, anyJson, { key: 'a', value: { name: 7, body: { text: 'They grind.' } } })

    expect(point?.payload.metadata.heading).toBe('')
  })

  test('leave the index when they do not pass the filter any more, and with a tombstone', async () => {
    const value = { body: { text: 'They grind.' }, state: 'public' }

    const points = await indexed(
      articles,
      anyJson,
      { key: 'a', value },
      { key: 'b', value },
      { key: 'c', value },
      { key: 'a', value: { ...value, state: 'draft' } },
      { key: 'b', value: null },
    )

    expect(points.map(({ doc }) => doc)).toEqual(['c'])
  })

  test('whose text is missing are given up, and the next ones go on', async () => {
    const points = await indexed(
      articles,
      anyJson,
      { key: 'a', value: { body: 1 } },
      { key: 'b', value: { body: { text: 'b' } } },
    )

    expect(points.map(({ doc }) => doc)).toEqual(['b'])
  })

  test('without their text cost nothing when the filter leaves them out', async () => {
    const points = await indexed(articles, anyJson, { key: 'a', value: { state: 'draft' } })

    expect(points).toEqual([])
  })

  test('may be texts', async () => {
    const points = await indexed('source: { topic: documents, format: text }', string as Serde<never>, {
      key: 'a',
      value: 'Mills grind.',
    })

    expect(points.map(({ payload }) => payload.content)).toEqual(['Mills grind.'])
  })

  test('cannot reach what objects inherit', async () => {
    const text = `
source: { topic: documents }
document: { text: text, metadata: { a: constructor.name, b: __proto__, c: text.length } }
`
    const [point] = await indexed(text, anyJson, { key: 'a', value: { text: 'Mills grind.' } })

    expect(Object.keys(point?.payload.metadata ?? {}).sort()).toEqual(['heading', 'source'])
  })
})
