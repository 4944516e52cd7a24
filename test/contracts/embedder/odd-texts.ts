import { describe, expect, test } from 'vitest'
import { leastCosine, never, type OpenEmbedder, same } from './harness.ts'

const oddTexts: readonly (readonly [string, string])[] = [
  ['an empty text', ''],
  ['white space', ' \t\n\u00a0\u3000'],
  ['an unpaired surrogate', 'a \ud83d b'],
  ['an unpaired surrogate at the end', 'mill \udc00'],
  ['control characters', '\u0000\u0007\u001b[0m'],
  ['one character that most vocabularies lack', '\u{13000}'],
  ['emoji in families', '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}'],
  ['a megabyte', 'the mill at the river '.repeat(50_000)],
  ['a megabyte without a space', 'x'.repeat(1_048_576)],
  ['quotes and braces', '{"inputs": ["]}\\"'],
]

/** What nobody expects in a document, and is there nevertheless. */
export function oddTextFeatures(subject: OpenEmbedder): void {
  describe('an odd text', () => {
    test.each(oddTexts)('gets a vector, or fails alone with EMBED_TEXT: %s', async (_, text) => {
      const plain = ['first neighbour', 'second neighbour']
      const expected = await subject.embedder.embed(plain, never)

      const [odd, before, after] = await Promise.allSettled([
        subject.embedder.embed([text], never),
        ...plain.map((neighbour) => subject.embedder.embed([neighbour], never)),
      ])

      if (odd?.status === 'fulfilled') {
        const [vector] = odd.value
        expect(vector).toHaveLength(subject.embedder.dimensions)
        expect(vector?.every(Number.isFinite)).toBe(true)
      } else expect(odd?.reason).toMatchObject({ code: 'EMBED_TEXT', reaction: 'skip' })
      const neighbours = [before, after].flatMap((result) => (result?.status === 'fulfilled' ? result.value : []))
      expect(neighbours).toHaveLength(2)
      expect(leastCosine(neighbours, expected)).toBeGreaterThan(same)
    })

    test('that is too long is told by its place in the call, if at all', async () => {
      const places: number[] = []

      await subject.embedder
        .embed(['short', 'long '.repeat(20_000), 'short too'], never, { onTruncated: (at) => places.push(at) })
        .catch(() => undefined)

      expect([[], [1]]).toContainEqual(places)
    })
  })
}
