import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Chunk, ChunkedDocument, DocumentChange, Manifest } from '../../src/model.ts'
import { diff } from '../../src/operators/diff.ts'
import { wantedPoints } from '../../src/operators/manifest/document-points.ts'
import { manifestSerde } from '../../src/operators/manifest/manifest-codec.ts'
import { FakeContext, recordOf } from '../support/fake-context.ts'
import { ModelIndex } from '../support/model-index.ts'

/** Few different chunks, so that versions share, repeat and move them; the text may change while the meaning stays. */
const chunk = fc
  .record({
    meaning: fc.constantFrom('a', 'b', 'c', 'd'),
    heading: fc.constantFrom('', 'H'),
    mark: fc.constantFrom('', '*'),
  })
  .map(({ meaning, heading, mark }): Chunk => ({ text: mark + meaning, heading, meaning: `${heading}\n${meaning}` }))
const document = fc.record({
  chunks: fc.array(chunk, { maxLength: 6 }),
  metadata: fc.record({ team: fc.constantFrom('red', 'blue') }),
})

/** What happens to a version, and to the process around it. */
const event = fc.record({
  key: fc.constantFrom('one', 'two'),
  document: fc.option(document, { freq: 5 }),
  pipeline: fc.constantFrom('aa', 'aa', 'aa', 'bb'),
  /** `given-up`: only a part of the change arrives, and the version is dropped. `crash`: the same, and memory is lost as well. */
  end: fc.constantFrom('arrives', 'arrives', 'arrives', 'given-up', 'crash'),
})

describe('for every history', () => {
  test('the index holds exactly the points of the latest version of every document', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
        const history = new History()

        for (const next of events) await history.add(next)

        for (const [key, wanted] of history.wanted()) expect(history.held(key)).toEqual(wanted)
      }),
      { numRuns: 400 },
    )
  })

  test('a version that comes twice changes nothing the second time', async () => {
    await fc.assert(
      fc.asyncProperty(document, document, async (before, after) => {
        const index = new ModelIndex()
        const system = startOver(index)
        for (const version of [before, after]) {
          const change = await system.process(recordOf('k', version))
          if (change) index.apply(change)
        }

        expect(await system.process(recordOf('k', after))).toBeUndefined()
      }),
    )
  })
})

test('every manifest survives its codec, in at most 24 bytes a chunk and 50 around them', () => {
  const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
  const manifest: fc.Arbitrary<Manifest> = fc.record({
    source: fc.record({ partition: fc.nat(), offset: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER - 1 }) }),
    pipeline: hex(16),
    chunks: fc.array(fc.record({ hash: hex(32), payloadHash: hex(16) }), { maxLength: 20 }),
    dirty: fc.boolean(),
  })

  fc.assert(
    fc.property(manifest, (before) => {
      const bytes = manifestSerde.serialize(before)

      expect(manifestSerde.deserialize(bytes)).toEqual(before)
      expect(bytes.length).toBeLessThanOrEqual(50 + 24 * before.chunks.length)
    }),
  )
})

test('no bytes crash the codec without a name', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        manifestSerde.deserialize(bytes)
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^STATE_/) })
      }
    }),
  )
})

type Happening = typeof event extends fc.Arbitrary<infer T> ? T : never
type PointAsText = readonly [id: string, payload: string]

/** One task, its index, and which version of each document arrived last. */
class History {
  readonly #index = new ModelIndex()
  readonly #latest = new Map<string, { document: ChunkedDocument | null; pipeline: string }>()
  #system = startOver(this.#index)

  async add({ key, document, pipeline, end }: Happening): Promise<void> {
    const { processor, context } = this.#system
    context.pipeline = pipeline
    const record = recordOf(key, document)
    const change = await this.#system.process(record)
    if (change) this.#index.apply(end === 'arrives' ? change : partOf(change))
    if (end === 'arrives') this.#latest.set(key, { document, pipeline })
    else this.#latest.delete(key)
    if (end === 'given-up') processor.takeBack?.(record, context)
    if (end === 'crash') this.#system = startOver(this.#index, { recovering: true })
  }

  wanted(): [key: string, points: PointAsText[]][] {
    return [...this.#latest].map(([key, { document, pipeline }]) => {
      const points = document ? wantedPoints(key, document, { pipeline, partition: 3, at: 1_000 }) : []
      return [key, points.map(({ id, payload }) => [id, JSON.stringify(payload)] as const).sort()]
    })
  }

  held(key: string): PointAsText[] {
    const points = [...this.#index.points].filter(([, { payload }]) => payload._millrace.doc === key)
    return points.map(([id, { payload }]) => [id, JSON.stringify(payload)] as const).sort()
  }
}

const partOf = (change: DocumentChange): DocumentChange => ({
  ...change,
  upserts: change.upserts.slice(0, 1),
  deletes: change.deletes.slice(0, 1),
})

function startOver(index: ModelIndex, { recovering = false } = {}) {
  const supplier = diff('changes', { against: index })
  const processor = supplier.create()
  const context = new FakeContext<string, DocumentChange>(supplier.stores)
  context.recovering = recovering
  return {
    processor,
    context,
    async process(record: ReturnType<typeof recordOf<string, ChunkedDocument>>): Promise<DocumentChange | undefined> {
      await processor.process(record, context)
      return context.take()[0]?.value ?? undefined
    },
  }
}
