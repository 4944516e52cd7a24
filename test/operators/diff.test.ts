import { beforeEach, describe, expect, test } from 'vitest'
import { isStreamError } from '../../src/errors.ts'
import type { Chunk, ChunkedDocument, DocumentChange, Manifest, Metadata } from '../../src/model.ts'
import { createChunker } from '../../src/operators/chunker/chunker.ts'
import { markdown } from '../../src/operators/chunker/markdown.ts'
import { diff } from '../../src/operators/diff.ts'
import type { StreamRecord } from '../../src/record.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import type { Processor } from '../../src/topology/processor.ts'
import { FakeContext, recordOf } from '../support/fake-context.ts'
import { ModelIndex } from '../support/model-index.ts'

type Context = FakeContext<string, DocumentChange>

let index: ModelIndex
let context: Context
let processor: Processor<string, ChunkedDocument, string, DocumentChange>

beforeEach(() => start())

/** A fresh processor with an empty store; the index stays what it is, if it is handed in. */
function start(over = new ModelIndex()): void {
  const supplier = diff('changes', { against: over })
  index = over
  context = new FakeContext(supplier.stores)
  processor = supplier.create()
}

const chunkOf = (text: string, heading = ''): Chunk => ({
  text,
  heading,
  meaning: heading === '' ? text : `${heading}\n${text}`,
})

const documentOf = (texts: readonly string[], metadata: Metadata = {}): ChunkedDocument => ({
  chunks: texts.map((text) => chunkOf(text)),
  metadata,
})

/** Processes one version without applying the change. */
async function emit(record: StreamRecord<string, ChunkedDocument>): Promise<DocumentChange | undefined> {
  await processor.process(record, context)
  const [first, ...others] = context.take()
  expect(others).toEqual([])
  expect(first?.key ?? record.key).toBe(record.key)
  return first?.value ?? undefined
}

/** Processes one version and applies the change to the index. */
async function send(key: string, document: ChunkedDocument | null): Promise<DocumentChange | undefined> {
  const change = await emit(recordOf(key, document))
  if (change) index.apply(change)
  return change
}

const manifestOf = (key: string): Manifest | undefined =>
  context.store<KeyValueStore<string, Manifest>>('changes').get(key)

const contents = (): string[] => [...index.points.values()].map(({ payload }) => payload.content).sort()

const sizes = (change: DocumentChange | undefined) =>
  change && {
    kind: change.kind,
    upserts: change.upserts.length,
    payloads: change.payloads.length,
    deletes: change.deletes.length,
    reused: change.reused,
  }

describe('a version of a document', () => {
  test('that is new is written whole', async () => {
    const document: ChunkedDocument = { chunks: [chunkOf('text', 'Guide > Routing')], metadata: { author: 'Ada' } }

    const change = await send('guide.md', document)

    expect(sizes(change)).toEqual({ kind: 'new', upserts: 1, payloads: 0, deletes: 0, reused: 0 })
    expect(change?.upserts[0]?.meaning).toBe('Guide > Routing\ntext')
    expect(change?.upserts[0]?.payload).toEqual({
      content: 'text',
      metadata: { author: 'Ada', source: 'guide.md', heading: 'Guide > Routing' },
      _millrace: {
        doc: 'guide.md',
        partition: 3,
        hash: expect.stringMatching(/^[0-9a-f]{32}$/),
        payload: expect.stringMatching(/^[0-9a-f]{16}$/),
        occurrence: 0,
        pipeline: context.pipeline,
        at: 1_000,
      },
    })
  })

  test('that equals the last one does nothing, whatever its time and offset', async () => {
    await send('k', documentOf(['a', 'b'], { tags: ['x'], by: { name: 'Ada', id: 1 } }))
    context.source = { topic: 'documents', partition: 3, offset: 8 }

    const change = await emit(recordOf('k', documentOf(['a', 'b'], { by: { id: 1, name: 'Ada' }, tags: ['x'] }), 2_000))

    expect(change).toBeUndefined()
    expect(manifestOf('k')?.source.offset).toBe(8)
  })

  test('with one edited sentence of a document of twenty chunks costs at most two upserts and two deletes', async () => {
    const chunker = createChunker(markdown)
    const paragraphs = Array.from(
      { length: 60 },
      (_, i) => `Paragraph ${i} ${`says a word ${i * 7} `.repeat(20)}and ends.`,
    )
    const chunksOf = (parts: readonly string[]) => ({ chunks: chunker.split(parts.join('\n\n')), metadata: {} })
    const before = chunksOf(paragraphs)
    await send('k', before)

    const change = await send('k', chunksOf(paragraphs.with(30, `${paragraphs[30]} One more sentence.`)))

    expect(before.chunks.length).toBeGreaterThanOrEqual(20)
    expect(change?.upserts.length).toBeGreaterThan(0)
    expect(change?.upserts.length).toBeLessThanOrEqual(2)
    expect(change?.deletes.length).toBeLessThanOrEqual(2)
  })

  test('with other metadata alone embeds nothing', async () => {
    await send('k', documentOf(['a', 'b'], { team: 'red' }))

    const change = await send('k', documentOf(['a', 'b'], { team: 'blue' }))

    expect(sizes(change)).toEqual({ kind: 'metadata-only', upserts: 0, payloads: 2, deletes: 0, reused: 0 })
    expect([...index.points.values()].map(({ payload }) => payload.metadata.team)).toEqual(['blue', 'blue'])
  })

  test('with other markup alone updates the payload of that chunk', async () => {
    const plain = { chunks: [chunkOf('one'), { text: 'two', heading: '', meaning: 'two' }], metadata: {} }
    const bold = { chunks: [chunkOf('one'), { text: '**two**', heading: '', meaning: 'two' }], metadata: {} }
    await send('k', plain)

    const change = await send('k', bold)

    expect(sizes(change)).toEqual({ kind: 'metadata-only', upserts: 0, payloads: 1, deletes: 0, reused: 1 })
    expect(contents()).toEqual(['**two**', 'one'])
  })

  test('with its chunks in another order does nothing', async () => {
    await send('k', documentOf(['a', 'b', 'c']))

    expect(await send('k', documentOf(['c', 'a', 'b']))).toBeUndefined()
  })

  test('that goes back to an earlier text gets the same points back', async () => {
    await send('k', documentOf(['a', 'b']))
    const first = [...index.points.keys()].sort()
    await send('k', documentOf(['a', 'x']))

    const change = await send('k', documentOf(['a', 'b']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 1, payloads: 0, deletes: 1, reused: 1 })
    expect([...index.points.keys()].sort()).toEqual(first)
  })

  test('keeps equal chunks apart, and drops the last of them first', async () => {
    await send('k', documentOf(['same', 'other', 'same', 'same']))
    expect(contents()).toEqual(['other', 'same', 'same', 'same'])

    const change = await send('k', documentOf(['same', 'same', 'other']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 0, payloads: 0, deletes: 1, reused: 3 })
    expect([...index.points.values()].map(({ payload }) => payload._millrace.occurrence).sort()).toEqual([0, 0, 1])
  })

  test('without chunks deletes all points and is remembered', async () => {
    await send('k', documentOf(['a', 'b']))

    const change = await send('k', documentOf([]))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 0, payloads: 0, deletes: 2, reused: 0 })
    expect(manifestOf('k')).toMatchObject({ chunks: [], dirty: false })
    expect(await send('k', documentOf([]))).toBeUndefined()
  })

  test('of one key has nothing to do with the points of another', async () => {
    await send('a', documentOf(['same text']))
    await send('b', documentOf(['same text']))

    await send('a', null)

    expect([...index.points.values()].map(({ payload }) => payload._millrace.doc)).toEqual(['b'])
  })
})

describe('a tombstone', () => {
  test('deletes all points and the manifest', async () => {
    await send('k', documentOf(['a', 'b']))

    const change = await send('k', null)

    expect(sizes(change)).toEqual({ kind: 'deleted', upserts: 0, payloads: 0, deletes: 2, reused: 0 })
    expect(index.points.size).toBe(0)
    expect(manifestOf('k')).toBeUndefined()
  })

  test('of an unknown key does nothing', async () => {
    expect(await send('never seen', null)).toBeUndefined()
    expect(index.observed).toBe(0)
  })

  test('of a document without chunks forgets it', async () => {
    await send('k', documentOf([]))

    expect(await send('k', null)).toBeUndefined()
    expect(manifestOf('k')).toBeUndefined()
  })

  test('lets the document come back as a new one', async () => {
    await send('k', documentOf(['a']))
    await send('k', null)

    expect(sizes(await send('k', documentOf(['a'])))).toMatchObject({ kind: 'new', upserts: 1 })
  })
})

describe('another pipeline', () => {
  test('writes every chunk under new ids and deletes the old ones', async () => {
    await send('k', documentOf(['a', 'b']))
    const old = [...index.points.keys()]
    context.pipeline = 'another-pipeline'

    const change = await send('k', documentOf(['a', 'b']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 2, payloads: 0, deletes: 2, reused: 0 })
    expect([...(change?.deletes ?? [])].sort()).toEqual(old.sort())
    expect(manifestOf('k')?.pipeline).toBe('another-pipeline')
  })
})

describe('while the task is recovering', () => {
  test('what the index holds counts, not the manifest', async () => {
    const crashed = index
    await send('k', documentOf(['a', 'b', 'c']))
    start(crashed)
    context.recovering = true

    const change = await send('k', documentOf(['a', 'b', 'd']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 1, payloads: 0, deletes: 1, reused: 2 })
    expect(contents()).toEqual(['a', 'b', 'd'])
  })

  test('a version that the index holds already costs nothing, though the manifest is gone', async () => {
    const crashed = index
    await send('k', documentOf(['a', 'b']))
    start(crashed)
    context.recovering = true

    expect(await send('k', documentOf(['a', 'b']))).toBeUndefined()
    expect(manifestOf('k')?.chunks).toHaveLength(2)
  })

  test('an unknown tombstone deletes what the index holds', async () => {
    const crashed = index
    await send('k', documentOf(['a']))
    start(crashed)
    context.recovering = true

    expect(sizes(await send('k', null))).toMatchObject({ kind: 'deleted', deletes: 1 })
    expect(index.points.size).toBe(0)
  })

  test('the index is asked once for each key, until the next recovery', async () => {
    context.recovering = true
    await send('k', documentOf(['a']))
    await send('k', documentOf(['b']))
    await send('other', documentOf(['b']))
    expect(index.observed).toBe(2)

    context.recovering = false
    await send('k', documentOf(['c']))
    expect(index.observed).toBe(2)

    context.recovering = true
    await send('k', documentOf(['d']))
    expect(index.observed).toBe(3)
    expect(contents()).toEqual(['b', 'd'])
  })

  test('an index that cannot be asked leaves the key to be asked for again', async () => {
    context.recovering = true
    const { observe } = index
    index.observe = () => Promise.reject(new Error('down'))
    await expect(send('k', documentOf(['a']))).rejects.toThrow('down')

    index.observe = observe
    await send('k', documentOf(['a']))

    expect(index.observed).toBe(1)
  })
})

describe('a version that was given up', () => {
  test('leaves the manifest as it was before, and dirty', async () => {
    await send('k', documentOf(['a', 'b']))
    const before = manifestOf('k')
    const poison = recordOf('k', documentOf(['a', 'x']))
    await emit(poison)

    processor.takeBack?.(poison, context)

    expect(manifestOf('k')).toEqual({ ...before, dirty: true })
  })

  test('makes the next version look at the index, once', async () => {
    await send('k', documentOf(['a', 'b']))
    const poison = recordOf('k', documentOf(['a', 'x', 'y']))
    const change = await emit(poison)
    // Only a part of the change reached the index.
    index.apply({ ...(change as DocumentChange), upserts: change?.upserts.slice(0, 1) ?? [], deletes: [] })
    processor.takeBack?.(poison, context)

    await send('k', documentOf(['a', 'y']))
    await send('k', documentOf(['a', 'z']))

    expect(contents()).toEqual(['a', 'z'])
    expect(index.observed).toBe(1)
    expect(manifestOf('k')?.dirty).toBe(false)
  })

  test('may be tried again: the second attempt looks at the index as well', async () => {
    const record = recordOf('k', documentOf(['a', 'b']))
    const change = await emit(record)
    index.apply({ ...(change as DocumentChange), upserts: change?.upserts.slice(0, 1) ?? [] })
    processor.takeBack?.(record, context)

    const again = await emit(record)

    expect(again?.upserts.map(({ meaning }) => meaning)).toEqual(['b'])
  })

  test('of an unknown document leaves an empty, dirty manifest, so that a tombstone still cleans up', async () => {
    const poison = recordOf('k', documentOf(['a']))
    const change = await emit(poison)
    index.apply(change as DocumentChange)
    processor.takeBack?.(poison, context)
    expect(manifestOf('k')).toMatchObject({ chunks: [], dirty: true })

    await send('k', null)

    expect(index.points.size).toBe(0)
    expect(manifestOf('k')).toBeUndefined()
  })

  test('and was a tombstone leaves what was there, dirty', async () => {
    await send('k', documentOf(['a']))
    const tombstone = recordOf<string, ChunkedDocument>('k', null)
    await emit(tombstone)

    processor.takeBack?.(tombstone, context)

    expect(manifestOf('k')).toMatchObject({ dirty: true, chunks: [{}] })
  })
})

describe('metadata', () => {
  test('is stored as JSON has it', async () => {
    const metadata = { date: new Date(0), nothing: undefined, nested: { b: [1, { d: 1, c: 2 }], a: null } }

    const change = await send('k', documentOf(['a'], metadata))

    expect(change?.upserts[0]?.payload.metadata).toStrictEqual({
      date: '1970-01-01T00:00:00.000Z',
      nested: { a: null, b: [1, { c: 2, d: 1 }] },
      source: 'k',
      heading: '',
    })
  })

  test('does not replace the fields of Millrace', async () => {
    const change = await send('k', documentOf(['a'], { source: 'mine', heading: 'mine' }))

    expect(change?.upserts[0]?.payload.metadata).toEqual({ source: 'k', heading: '' })
  })

  const circular: Record<string, unknown> = {}
  circular.self = circular
  test.each([
    ['a BigInt', { size: 1n }],
    ['a circle', circular],
    ['no object at all', ['list'] as unknown as Metadata],
  ])('with %s is refused by name, and the manifest stays', async (_, metadata) => {
    await send('k', documentOf(['a']))

    const refused = send('k', documentOf(['b'], metadata)).catch((error: unknown) => error)

    expect(await refused).toSatisfy(isStreamError)
    expect(await refused).toMatchObject({ code: 'RECORD_UNENCODABLE', reaction: 'skip', details: { key: 'k' } })
    expect(manifestOf('k')?.chunks).toHaveLength(1)
  })
})
