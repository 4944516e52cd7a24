import { describe, expect, test } from 'vitest'
import { type EmbedderCapabilities, never, type OpenEmbedder } from './harness.ts'

/** Opening, closing and counting. */
export function lifecycleFeatures(subject: OpenEmbedder, { opens }: EmbedderCapabilities): void {
  describe('lifecycle', () => {
    test('the id is that of every embedder of the model, also when it is opened again', async () => {
      const another = subject.create()
      await another.open()
      const { id, dimensions } = another
      await another.close()
      await another.open()

      expect([id, another.id]).toEqual([subject.embedder.id, subject.embedder.id])
      expect(dimensions).toBe(subject.embedder.dimensions)
      expect(await another.embed(['text'], never)).toHaveLength(1)
      await another.close()
    })

    test('who has opened it twice has to close it twice', async () => {
      const shared = subject.create()
      await Promise.all([shared.open(), shared.open()])

      await shared.close()
      expect(await shared.embed(['text'], never)).toHaveLength(1)
      await shared.close()
      await shared.close()

      if (opens) await expect(shared.embed(['text'], never)).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    })

    test.runIf(opens)('nothing is known, and nothing embedded, before it is open', async () => {
      const closed = subject.create()

      expect(() => closed.id).toThrow('ILLEGAL_STATE')
      expect(() => closed.dimensions).toThrow('ILLEGAL_STATE')
      await expect(closed.embed(['text'], never)).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
      await closed.close()
    })

    test('closing in the middle settles every caller', async () => {
      const closing = subject.create()
      await closing.open()
      const calls = Array.from({ length: 20 }, (_, at) => closing.embed([`under way ${at}`], never))
      const settled = Promise.allSettled(calls)

      await closing.close()

      for (const call of await settled)
        if (call.status === 'rejected')
          expect(['EMBED_FAILED', 'ILLEGAL_STATE']).toContain((call.reason as { code?: string }).code)
    })

    test('stats count what was asked for and what was run', async () => {
      const counting = subject.create()
      await counting.open()

      await counting.embed(['one', 'two', 'three', 'two'], never)
      await counting.embed([], never)
      await counting.embed(['four'], never)

      await counting.close()
      const { texts, sharedTexts, tokens, batches, paddingRatio, truncatedTexts } = counting.stats
      expect({ texts, truncatedTexts }).toEqual({ texts: 5, truncatedTexts: 0 })
      expect([0, 1]).toContain(sharedTexts)
      expect(tokens).toBeGreaterThanOrEqual(texts - sharedTexts)
      expect(batches).toBeGreaterThanOrEqual(2)
      expect(paddingRatio).toBeGreaterThanOrEqual(0)
      expect(paddingRatio).toBeLessThan(1)
    })
  })
}
