import { describe, expect, expectTypeOf, test } from 'vitest'
import type { ChunkedDocument, DocumentChange } from '../../src/model.ts'
import { type ChunkOptions, chunk } from '../../src/operators/chunk.ts'
import { diff } from '../../src/operators/diff.ts'
import type { ProcessorSupplier } from '../../src/topology/processor.ts'
import type { Stream } from '../../src/topology/stream.ts'
import { FakeContext, recordOf } from '../support/fake-context.ts'
import { ModelIndex } from '../support/model-index.ts'

interface Page {
  readonly body: string
  readonly title?: string
  readonly author?: string
}

function chunked(page: Page | null, options: Partial<ChunkOptions<Page>> = {}): ChunkedDocument | null | undefined {
  const context = new FakeContext<string, ChunkedDocument>()
  const processor = chunk<Page>('chunks', { text: ({ body }) => body, ...options }).create()
  processor.process(recordOf('page', page), context)
  return context.forwarded[0]?.value
}

describe('chunk', () => {
  test('cuts the text of a document and hands on title and metadata', () => {
    const page = { body: '## Errors\n\nAll of them.', title: 'Guide', author: 'Ada' }

    const document = chunked(page, { title: ({ title }) => title, metadata: ({ author }) => ({ author }) })

    expect(document).toEqual({
      chunks: [
        {
          text: '## Errors\n\nAll of them.',
          heading: 'Guide > Errors',
          meaning: 'Guide > Errors\nAll of them.',
        },
      ],
      metadata: { author: 'Ada' },
    })
  })

  test.each(['', ' \n\t\r\n', '\uFEFF'])('a document that shows nothing has no chunks: %j', (body) => {
    expect(chunked({ body })).toEqual({ chunks: [], metadata: {} })
  })

  test('a tombstone stays a tombstone', () => {
    expect(chunked(null)).toBeNull()
  })

  test('reads plain text when told to, for all documents or for each', () => {
    const body = '*as it is*'

    expect(chunked({ body }, { kind: 'plain' })?.chunks[0]?.meaning).toBe('*as it is*')
    expect(chunked({ body }, { kind: () => 'plain' })?.chunks[0]?.meaning).toBe('*as it is*')
    expect(chunked({ body })?.chunks[0]?.meaning).toBe('as it is')
  })

  test('refuses a document that is too large by name, counting bytes', () => {
    const tooLarge = () => chunked({ body: 'ä'.repeat(51) }, { maxDocumentBytes: 100 })

    expect(tooLarge).toThrow(expect.objectContaining({ code: 'DOCUMENT_TOO_LARGE', reaction: 'skip' }))
    expect(tooLarge).toThrow('document "page" has 102 bytes, more than 100')
    expect(chunked({ body: 'ä'.repeat(50) }, { maxDocumentBytes: 100 })?.chunks).toHaveLength(1)
  })

  test('takes up to a mebibyte by default', () => {
    expect(chunked({ body: 'a '.repeat(524_288) })?.chunks.length).toBeGreaterThan(700)
    expect(() => chunked({ body: `${'a '.repeat(524_288)}a` })).toThrow('DOCUMENT_TOO_LARGE')
  })

  test('refuses sizes that contradict each other when the topology is built', () => {
    expect(() => chunk<Page>('chunks', { text: ({ body }) => body, min: 900 })).toThrow('CONFIG_INVALID')
  })

  test('names a document whose text is no text', () => {
    const textless = () => chunked({ title: 'Guide' } as unknown as Page)

    expect(textless).toThrow(expect.objectContaining({ code: 'RECORD_FAILED', reaction: 'skip' }))
    expect(textless).toThrow('`text` of node "chunks" returned undefined for document "page", not a string')
  })

  test('tells what decides its chunks', () => {
    const fingerprint = (options: Partial<ChunkOptions<Page>>) =>
      chunk<Page>('any name', { text: ({ body }) => body, ...options }).facts?.().fingerprint

    const all = [{}, { kind: 'plain' as const }, { kind: () => 'plain' as const }, { min: 100 }, { max: 900 }]

    expect(new Set(all.map(fingerprint)).size).toBe(all.length)
    expect(fingerprint({ maxDocumentBytes: 5 })).toBe(fingerprint({}))
  })

  test('types flow from the stream into its options and on to diff', () => {
    type Added<S> = S extends ProcessorSupplier<never, never, infer K, infer V> ? [K, V] : never
    const pages = { process: (supplier: unknown) => supplier } as unknown as Stream<string, Page>

    const chunks = pages.process(chunk('chunks', { text: (page) => page.body, title: (page) => page.title }))

    expectTypeOf(chunks).toEqualTypeOf<Stream<string, ChunkedDocument>>()
    expectTypeOf<Added<ReturnType<typeof diff>>>().toEqualTypeOf<[string, DocumentChange]>()
    // @ts-expect-error: diff takes chunks, not pages.
    pages.process(diff('changes', { against: new ModelIndex() }))
  })
})
