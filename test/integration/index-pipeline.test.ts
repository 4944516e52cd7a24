import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { hash } from '../../src/embed/hash.ts'
import { StreamError } from '../../src/errors.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import { filter } from '../../src/operators/filter.ts'
import { json, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import { dump } from '../support/document-pipeline.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const Document = z.object({ text: z.string(), author: z.string().optional(), published: z.boolean().optional() })
type Document = z.infer<typeof Document>
const documents = kafka({ topic: 'documents', key: string, value: json(Document) })
const letters = kafka({ topic: 'test-dead-letter', key: string, value: json(z.unknown()) })

/** The pipeline of the README over an index in memory. */
async function start(
  embedder: Embedder = hash({ dimensions: 32 }),
  index: VectorIndex = sqliteIndex({ path: ':memory:' }),
) {
  const builder = new TopologyBuilder()
  builder
    .stream('documents', documents)
    .process(filter('published', (document) => document.published !== false))
    .process(dedupe('unchanged'))
    .process(
      chunk('chunks', { text: (d) => d.text, metadata: (d) => ({ author: d.author }), maxDocumentBytes: 100_000 }),
    )
    .process(diff('changes', { against: index }))
    .process(embed('vectors', embedder))
    .to('index', index)
  const driver = await TopologyTestDriver.start(builder.build())
  const put = (key: string, document: Document | null) => driver.pipe(documents, { key, value: document })
  const used = () => ({ embedded: embedder.stats.texts, requests: index.stats.writeRequests })
  return { driver, index, embedder, put, used, [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose]() }
}

/** A document of about twenty chunks. */
const sections = Array.from({ length: 20 }, (_, section) =>
  [
    `## Section ${section}`,
    ...Array.from(
      { length: 12 },
      (_, line) => `Sentence ${line} of section ${section} says what it says at some length.`,
    ),
  ].join('\n'),
)
const long: Document = { text: sections.join('\n\n') }

describe('a document that comes again', () => {
  test('unchanged costs no embedding and no request to the index', async () => {
    await using pipeline = await start()
    await pipeline.put('a.md', long)
    const before = pipeline.used()

    await pipeline.put('a.md', { text: long.text })

    expect(before.embedded).toBeGreaterThan(10)
    expect(pipeline.used()).toEqual(before)
  })

  test('with other metadata costs no embedding', async () => {
    await using pipeline = await start()
    await pipeline.put('a.md', long)
    const before = pipeline.used()

    await pipeline.put('a.md', { ...long, author: 'somebody else' })

    const authors: unknown[] = []
    for await (const { payload } of pipeline.index.scan()) authors.push(payload.metadata.author)
    expect(pipeline.used().embedded).toBe(before.embedded)
    expect(authors).toEqual(Array.from({ length: before.embedded }, () => 'somebody else'))
  })

  test('with one sentence edited costs at most two upserts and two deletes', async () => {
    await using pipeline = await start()
    await pipeline.put('a.md', long)
    const before = pipeline.index.stats

    await pipeline.put('a.md', {
      text: long.text.replace('Sentence 5 of section 9', 'An edited sentence of section 9'),
    })

    const after = pipeline.index.stats
    expect(after.pointsWritten - before.pointsWritten).toBeLessThanOrEqual(2)
    expect(after.pointsDeleted - before.pointsDeleted).toBeLessThanOrEqual(2)
    expect((await dump(pipeline.index)).some(({ text }) => text.includes('An edited sentence'))).toBe(true)
  })

  test('as a deletion takes all its points away', async () => {
    await using pipeline = await start()
    await pipeline.put('a.md', long)
    await pipeline.put('b.md', { text: 'Another document.' })

    await pipeline.put('a.md', null)

    expect((await dump(pipeline.index)).map(({ key }) => key)).toEqual(['b.md'])
  })
})

describe('the latest version wins', () => {
  test.each<[string, readonly (Document | null)[], string[]]>([
    ['A, B, A inside one window', [{ text: 'A.' }, { text: 'B.' }, { text: 'A.' }], ['A.']],
    ['deleted and made again', [{ text: 'A.' }, null, { text: 'A.' }], ['A.']],
    ['made and deleted', [{ text: 'A.' }, null], []],
    ['emptied', [{ text: 'A.' }, { text: '' }], []],
    ['white space only', [{ text: 'A.' }, { text: ' \n\t ' }], []],
    ['deleted without ever having been there', [null], []],
    ['unpublished', [{ text: 'A.' }, { text: 'A.', published: false }], []],
    ['published again', [{ text: 'A.' }, { text: 'A.', published: false }, { text: 'A.' }], ['A.']],
  ])('%s', async (_, versions, expected) => {
    await using pipeline = await start()

    await pipeline.driver.pipe(documents, ...versions.map((value) => ({ key: 'k', value })))

    expect((await dump(pipeline.index)).map(({ text }) => text)).toEqual(expected)
  })

  test.each<[string, readonly (Document | null)[], string[]]>([
    ['across a crash, edited meanwhile', [{ text: 'A.' }, { text: 'B.' }], ['B.']],
    ['across a crash, deleted meanwhile', [{ text: 'A.' }, null], []],
    ['across a crash, the same again', [{ text: 'A.' }, { text: 'A.' }], ['A.']],
  ])('%s', async (_, [first, second], expected) => {
    await using folder = await temporaryDirectory()
    await using pipeline = await start(undefined, sqliteIndex({ path: join(folder.path, 'index.db') }))
    await pipeline.driver.pipe(documents, { key: 'k', value: first ?? null })

    await pipeline.driver.crash()
    await pipeline.driver.pipe(documents, { key: 'k', value: second ?? null })
    await pipeline.driver.restart()

    expect((await dump(pipeline.index)).map(({ text }) => text)).toEqual(expected)
  })
})

describe('a document that cannot be indexed', () => {
  test('because it is too large ends as a dead letter, and the next ones go on', async () => {
    await using pipeline = await start()

    await pipeline.put('large.md', { text: 'x'.repeat(200_000) })
    await pipeline.put('small.md', { text: 'Small.' })

    expect((await pipeline.driver.read(letters)).map(({ key }) => key)).toEqual(['large.md'])
    expect((await dump(pipeline.index)).map(({ key }) => key)).toEqual(['small.md'])
  })

  test('because the embedder refuses it keeps its old version, and its next version repairs it', async () => {
    const words = hash({ dimensions: 32 })
    const picky: Embedder = Object.create(words, {
      embed: {
        value: (texts: readonly string[], signal: AbortSignal) =>
          texts.some((text) => text.includes('POISON'))
            ? Promise.reject(new StreamError('EMBED_TEXT', 'the model gives no number'))
            : words.embed(texts, signal),
      },
    })
    await using pipeline = await start(picky)
    await pipeline.put('k', { text: 'One.' })

    await pipeline.put('k', { text: 'POISON' })
    const meanwhile = (await dump(pipeline.index)).map(({ text }) => text)
    await pipeline.put('k', { text: 'Two.' })

    expect(meanwhile).toEqual(['One.'])
    expect((await dump(pipeline.index)).map(({ text }) => text)).toEqual(['Two.'])
    expect(await pipeline.driver.read(letters)).toHaveLength(1)
  })

  test('and comes again after the fault is mended is indexed, though it did not change', async () => {
    const words = hash({ dimensions: 32 })
    let broken = true
    const mended: Embedder = Object.create(words, {
      embed: {
        value: (texts: readonly string[], signal: AbortSignal) =>
          broken ? Promise.reject(new StreamError('EMBED_TEXT', 'not today')) : words.embed(texts, signal),
      },
    })
    await using pipeline = await start(mended)
    await pipeline.put('k', { text: 'One.' })
    broken = false

    await pipeline.put('k', { text: 'One.' })

    expect((await dump(pipeline.index)).map(({ text }) => text)).toEqual(['One.'])
  })
})
