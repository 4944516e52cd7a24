import { beforeEach, describe, expect, test } from 'vitest'
import { isStreamError } from '../../src/errors.ts'
import type { ChunkedDocument, Metadata } from '../../src/model.ts'
import { createChunker } from '../../src/operators/chunker/chunker.ts'
import { markdown } from '../../src/operators/chunker/markdown.ts'
import { chunkOf, DiffHarness, documentOf, sizes } from '../support/diff-harness.ts'
import { recordOf } from '../support/fake-context.ts'

let diffing: DiffHarness

beforeEach(() => {
  diffing = new DiffHarness()
})

describe('a version of a document', () => {
  test('that is new is written whole', async () => {
    const document: ChunkedDocument = { chunks: [chunkOf('text', 'Guide > Routing')], metadata: { author: 'Ada' } }

    const change = await diffing.send('guide.md', document)

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
        pipeline: diffing.context.pipeline,
        at: 1_000,
      },
    })
  })

  test('that the diffing.index holds from a time before the state replaces what is there', async () => {
    await diffing.send('k', documentOf(['a', 'b']))
    diffing = new DiffHarness(diffing.index)

    const change = await diffing.send('k', documentOf(['a', 'c']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 1, payloads: 0, deletes: 1, reused: 1 })
    expect(diffing.contents).toEqual(['a', 'c'])
  })

  test('that equals the last one does nothing, whatever its time and offset', async () => {
    await diffing.send('k', documentOf(['a', 'b'], { tags: ['x'], by: { name: 'Ada', id: 1 } }))
    diffing.context.source = { topic: 'documents', partition: 3, offset: 8 }

    const change = await diffing.emit(
      recordOf('k', documentOf(['a', 'b'], { by: { id: 1, name: 'Ada' }, tags: ['x'] }), 2_000),
    )

    expect(change).toBeUndefined()
    expect(diffing.manifestOf('k')?.source.offset).toBe(8)
  })

  test('with one edited sentence of a document of twenty chunks costs at most two upserts and two deletes', async () => {
    const chunker = createChunker(markdown)
    const paragraphs = Array.from(
      { length: 60 },
      (_, i) => `Paragraph ${i} ${`says a word ${i * 7} `.repeat(20)}and ends.`,
    )
    const chunksOf = (parts: readonly string[]) => ({ chunks: chunker.split(parts.join('\n\n')), metadata: {} })
    const before = chunksOf(paragraphs)
    await diffing.send('k', before)

    const change = await diffing.send('k', chunksOf(paragraphs.with(30, `${paragraphs[30]} One more sentence.`)))

    expect(before.chunks.length).toBeGreaterThanOrEqual(20)
    expect(change?.upserts.length).toBeGreaterThan(0)
    expect(change?.upserts.length).toBeLessThanOrEqual(2)
    expect(change?.deletes.length).toBeLessThanOrEqual(2)
  })

  test('with other metadata alone embeds nothing', async () => {
    await diffing.send('k', documentOf(['a', 'b'], { team: 'red' }))

    const change = await diffing.send('k', documentOf(['a', 'b'], { team: 'blue' }))

    expect(sizes(change)).toEqual({ kind: 'metadata-only', upserts: 0, payloads: 2, deletes: 0, reused: 0 })
    expect([...diffing.index.points.values()].map(({ payload }) => payload.metadata.team)).toEqual(['blue', 'blue'])
  })

  test('with other markup alone updates the payload of that chunk', async () => {
    const plain = { chunks: [chunkOf('one'), { text: 'two', heading: '', meaning: 'two' }], metadata: {} }
    const bold = { chunks: [chunkOf('one'), { text: '**two**', heading: '', meaning: 'two' }], metadata: {} }
    await diffing.send('k', plain)

    const change = await diffing.send('k', bold)

    expect(sizes(change)).toEqual({ kind: 'metadata-only', upserts: 0, payloads: 1, deletes: 0, reused: 1 })
    expect(diffing.contents).toEqual(['**two**', 'one'])
  })

  test('with its chunks in another order does nothing', async () => {
    await diffing.send('k', documentOf(['a', 'b', 'c']))

    expect(await diffing.send('k', documentOf(['c', 'a', 'b']))).toBeUndefined()
  })

  test('that goes back to an earlier text gets the same points back', async () => {
    await diffing.send('k', documentOf(['a', 'b']))
    const first = [...diffing.index.points.keys()].sort()
    await diffing.send('k', documentOf(['a', 'x']))

    const change = await diffing.send('k', documentOf(['a', 'b']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 1, payloads: 0, deletes: 1, reused: 1 })
    expect([...diffing.index.points.keys()].sort()).toEqual(first)
  })

  test('keeps equal chunks apart, and drops the last of them first', async () => {
    await diffing.send('k', documentOf(['same', 'other', 'same', 'same']))
    expect(diffing.contents).toEqual(['other', 'same', 'same', 'same'])

    const change = await diffing.send('k', documentOf(['same', 'same', 'other']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 0, payloads: 0, deletes: 1, reused: 3 })
    expect([...diffing.index.points.values()].map(({ payload }) => payload._millrace.occurrence).sort()).toEqual([
      0, 0, 1,
    ])
  })

  test('without chunks deletes all points and is remembered', async () => {
    await diffing.send('k', documentOf(['a', 'b']))

    const change = await diffing.send('k', documentOf([]))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 0, payloads: 0, deletes: 2, reused: 0 })
    expect(diffing.manifestOf('k')).toMatchObject({ chunks: [], dirty: false })
    expect(await diffing.send('k', documentOf([]))).toBeUndefined()
  })

  test('of one key has nothing to do with the points of another', async () => {
    await diffing.send('a', documentOf(['same text']))
    await diffing.send('b', documentOf(['same text']))

    await diffing.send('a', null)

    expect([...diffing.index.points.values()].map(({ payload }) => payload._millrace.doc)).toEqual(['b'])
  })
})

describe('a tombstone', () => {
  test('deletes all points and the manifest', async () => {
    await diffing.send('k', documentOf(['a', 'b']))

    const change = await diffing.send('k', null)

    expect(sizes(change)).toEqual({ kind: 'deleted', upserts: 0, payloads: 0, deletes: 2, reused: 0 })
    expect(diffing.index.points.size).toBe(0)
    expect(diffing.manifestOf('k')).toBeUndefined()
  })

  test('of an unknown key does nothing', async () => {
    expect(await diffing.send('never seen', null)).toBeUndefined()
    expect(diffing.manifestOf('never seen')).toBeUndefined()
  })

  test('deletes what the diffing.index holds from a time before the state', async () => {
    await diffing.send('k', documentOf(['a', 'b']))
    diffing = new DiffHarness(diffing.index)

    const change = await diffing.send('k', null)

    expect(sizes(change)).toEqual({ kind: 'deleted', upserts: 0, payloads: 0, deletes: 2, reused: 0 })
  })

  test('of a document without chunks forgets it', async () => {
    await diffing.send('k', documentOf([]))

    expect(await diffing.send('k', null)).toBeUndefined()
    expect(diffing.manifestOf('k')).toBeUndefined()
  })

  test('lets the document come back as a new one', async () => {
    await diffing.send('k', documentOf(['a']))
    await diffing.send('k', null)

    expect(sizes(await diffing.send('k', documentOf(['a'])))).toMatchObject({ kind: 'new', upserts: 1 })
  })
})

describe('another pipeline', () => {
  test('writes every chunk under new ids and deletes the old ones', async () => {
    await diffing.send('k', documentOf(['a', 'b']))
    const old = [...diffing.index.points.keys()]
    diffing.context.pipeline = 'another-pipeline'

    const change = await diffing.send('k', documentOf(['a', 'b']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 2, payloads: 0, deletes: 2, reused: 0 })
    expect([...(change?.deletes ?? [])].sort()).toEqual(old.sort())
    expect(diffing.manifestOf('k')?.pipeline).toBe('another-pipeline')
  })
})

describe('metadata', () => {
  test('is stored as JSON has it', async () => {
    const metadata = { date: new Date(0), nothing: undefined, nested: { b: [1, { d: 1, c: 2 }], a: null } }

    const change = await diffing.send('k', documentOf(['a'], metadata))

    expect(change?.upserts[0]?.payload.metadata).toStrictEqual({
      date: '1970-01-01T00:00:00.000Z',
      nested: { a: null, b: [1, { c: 2, d: 1 }] },
      source: 'k',
      heading: '',
    })
  })

  test('does not replace the fields of Millrace', async () => {
    const change = await diffing.send('k', documentOf(['a'], { source: 'mine', heading: 'mine' }))

    expect(change?.upserts[0]?.payload.metadata).toEqual({ source: 'k', heading: '' })
  })

  const circular: Record<string, unknown> = {}
  circular.self = circular
  test.each([
    ['a BigInt', { size: 1n }],
    ['a circle', circular],
    ['no object at all', ['list'] as unknown as Metadata],
  ])('with %s is refused by name, and the manifest stays', async (_, metadata) => {
    await diffing.send('k', documentOf(['a']))

    const refused = diffing.send('k', documentOf(['b'], metadata)).catch((error: unknown) => error)

    expect(await refused).toSatisfy(isStreamError)
    expect(await refused).toMatchObject({ code: 'RECORD_UNENCODABLE', reaction: 'skip', details: { key: 'k' } })
    expect(diffing.manifestOf('k')?.chunks).toHaveLength(1)
  })
})
