import { describe, expect, test } from 'vitest'
import { hash } from '../../src/embed/hash.ts'
import { cosine, dot } from '../../src/embed/similarity/index.ts'

const never = new AbortController().signal

async function vectorOf(text: string, dimensions = 384): Promise<Float32Array> {
  const [vector] = await hash({ dimensions }).embed([text], never)
  return vector ?? new Float32Array()
}

describe('the hash embedder', () => {
  test.each(['a mill grinds', '', ' \n', '!?', '\ud800', '漢字', 'a'.repeat(100_000)])(
    'gives %j a vector of unit length',
    async (text) => {
      const vector = await vectorOf(text)

      expect(vector).toHaveLength(384)
      expect(dot(vector, vector)).toBeCloseTo(1, 5)
    },
  )

  test('gives the same text the same bytes', async () => {
    expect(await vectorOf('Mills grind.')).toEqual(await vectorOf('Mills grind.'))
  })

  test('puts texts that share words near one another', async () => {
    const query = await vectorOf('How does a water mill grind?')
    const answer = await vectorOf('A water mill has a wheel; grain is what it can grind.')
    const other = await vectorOf('Consumer groups rebalance when a member leaves.')

    expect(cosine(query, answer)).toBeGreaterThan(0.4)
    expect(cosine(query, other)).toBeLessThan(0.2)
  })

  test('does not look at case or punctuation', async () => {
    expect(await vectorOf('Water, mill!')).toEqual(await vectorOf('water mill'))
  })

  test('tells texts without words apart', async () => {
    expect(await vectorOf('!')).not.toEqual(await vectorOf('?'))
  })

  test('has its size in its id, because that decides the vectors', () => {
    expect(hash({ dimensions: 64 }).id).not.toBe(hash({ dimensions: 65 }).id)
    expect(hash().dimensions).toBe(384)
  })

  test('refuses a size that is none', () => {
    expect(() => hash({ dimensions: 0 })).toThrow(/CONFIG_INVALID: dimensions .* not 0/)
  })

  test('respects the signal', async () => {
    await expect(hash().embed(['a'], AbortSignal.abort('enough'))).rejects.toBe('enough')
  })

  test('counts what it was asked for', async () => {
    const embedder = hash()

    await embedder.embed(['two words', 'one'], never)

    expect(embedder.stats).toMatchObject({ texts: 2, tokens: 3, batches: 1 })
    expect(embedder.countTokens?.('two words')).toBe(2)
  })
})
