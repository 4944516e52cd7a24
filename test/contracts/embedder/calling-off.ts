import { describe, expect, test } from 'vitest'
import { never, type OpenEmbedder } from './harness.ts'

/** Callers that do not wait for the end. */
export function callingOffFeatures(subject: OpenEmbedder): void {
  describe('a caller that gives up', () => {
    test('before it asks gets its own reason', async () => {
      const reason = new Error('too late')

      await expect(subject.embedder.embed(['text'], AbortSignal.abort(reason))).rejects.toBe(reason)
    })

    test('while it waits gets its reason or its vectors, and those who wait with it get theirs', async () => {
      const reason = new Error('enough')
      const giving = new AbortController()
      const texts = Array.from({ length: 40 }, (_, at) => `given up ${at}`)

      const given = subject.embedder.embed(texts, giving.signal).catch((error: unknown) => error)
      const staying = subject.embedder.embed(texts.slice(0, 3), never)
      giving.abort(reason)

      const outcome = await given
      if (Array.isArray(outcome)) expect(outcome).toHaveLength(texts.length)
      else expect(outcome).toBe(reason)
      expect(await staying).toHaveLength(3)
    })

    test('leaves nothing behind on its signal', async () => {
      const { signal } = new AbortController()
      let listeners = 0
      const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
      signal.addEventListener = (...given: Parameters<typeof add>) => {
        listeners++
        add(...given)
      }
      signal.removeEventListener = (...given: Parameters<typeof remove>) => {
        listeners--
        remove(...given)
      }

      await subject.embedder.embed(['one', 'two'], signal)

      expect(listeners).toBe(0)
    })
  })
}
