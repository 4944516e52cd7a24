import { describe, expect, test } from 'vitest'
import { dotOf } from '../../../src/embed/similarity/kernels.ts'
import { leastCosine, never, type OpenEmbedder, same } from './harness.ts'

const sentences = [
  'A mill grinds grain into flour.',
  'The wheel turns as long as water runs.',
  'Consumer groups rebalance when a member leaves.',
  'A tombstone deletes what was stored under its key.',
]

/** Texts in, vectors out. */
export function embeddingFeatures(subject: OpenEmbedder): void {
  describe('embedding', () => {
    test('gives one vector per text, in the order of the texts', async () => {
      const alone: Float32Array[] = []
      for (const text of sentences) alone.push(await subject.vectorOf(text))

      const together = await subject.embedder.embed(sentences, never)
      const backwards = await subject.embedder.embed(sentences.toReversed(), never)

      expect(together).toHaveLength(sentences.length)
      expect(leastCosine(together, alone)).toBeGreaterThan(same)
      expect(leastCosine(backwards.toReversed(), alone)).toBeGreaterThan(same)
      expect(leastCosine(together.slice(0, 2), alone.slice(2))).toBeLessThan(same)
    })

    test('gives vectors of its dimensions and of unit length', async () => {
      const vectors = await subject.embedder.embed(sentences, never)

      expect(vectors.map((vector) => vector.length)).toEqual(sentences.map(() => subject.embedder.dimensions))
      for (const vector of vectors) expect(Math.sqrt(dotOf(vector, vector))).toBeCloseTo(1, 4)
    })

    test('gives equal texts equal vectors, in one call and in two', async () => {
      const [text = ''] = sentences

      const [first, other, second] = await subject.embedder.embed([text, 'another', text], never)

      expect(second).toEqual(first)
      expect(other).not.toEqual(first)
      expect(leastCosine([await subject.vectorOf(text)], [first ?? new Float32Array()])).toBeGreaterThan(same)
    })

    test('gives no texts no vectors', async () => {
      expect(await subject.embedder.embed([], never)).toEqual([])
    })

    test('gives texts in other company the same vectors, however many there are', async () => {
      const texts = Array.from({ length: 150 }, (_, at) => `document ${at} ${'of the mill '.repeat(at % 7)}`)
      const some = [3, 77, 149]

      const vectors = await subject.embedder.embed(texts, never)

      for (const at of some)
        expect(leastCosine(vectors.slice(at, at + 1), [await subject.vectorOf(texts[at] ?? '')])).toBeGreaterThan(same)
    })

    test('serves many callers at once, each with its own texts', async () => {
      const expected = await subject.embedder.embed(sentences, never)

      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, caller) => {
          const text = sentences[caller % sentences.length] ?? ''
          return subject.embedder.embed(caller % 3 === 0 ? [text, `caller ${caller}`] : [text], never)
        }),
      )

      for (const [caller, vectors] of answers.entries()) {
        const own = expected.slice(caller % sentences.length, (caller % sentences.length) + 1)
        expect(leastCosine(vectors.slice(0, 1), own)).toBeGreaterThan(same)
        expect(vectors).toHaveLength(caller % 3 === 0 ? 2 : 1)
      }
    })

    test('leaves the texts and their list as they are', async () => {
      const texts = Object.freeze([...sentences])

      await subject.embedder.embed(texts, never, { inputType: 'query' })

      expect(texts).toEqual(sentences)
    })
  })
}
