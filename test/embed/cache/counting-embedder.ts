import type { Embedder } from '../../../src/embed/embedder.ts'
import { hash } from '../../../src/embed/hash.ts'

export interface CountingEmbedder extends Embedder {
  /** The texts of each call. */
  readonly calls: readonly (readonly string[])[]
  /** How often it was opened and not closed. */
  readonly users: number
}

/** Makes vectors that depend on the text and the input type, reads 8 characters of a text, and notes what it was asked for. */
export function countingEmbedder(overrides: Partial<Embedder> = {}): CountingEmbedder {
  const inner = hash({ dimensions: 4 })
  const calls: (readonly string[])[] = []
  let users = 0
  return {
    ...inner,
    id: 'counting',
    maxTokens: 8,
    textsAtOnce: 12,
    async embed(texts, signal, { inputType = 'passage', onTruncated } = {}) {
      calls.push(texts)
      for (const [at, text] of texts.entries()) if (text.length > 8) onTruncated?.(at)
      return inner.embed(
        texts.map((text) => `${inputType} ${text}`),
        signal,
      )
    },
    async open() {
      users++
    },
    async close() {
      users--
    },
    get stats() {
      const texts = calls.flat().length
      return { texts, sharedTexts: 0, tokens: 2 * texts, batches: calls.length, paddingRatio: 0, truncatedTexts: 0 }
    },
    calls,
    get users() {
      return users
    },
    ...overrides,
  }
}
