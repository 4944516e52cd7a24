import type { Embedder } from './embedder.ts'

/** A limit on what is embedded of a chunk, for the option `limit` of `chunk`. */
export interface TokenLimit {
  /** Names what decides about texts: another embedder may decide otherwise. */
  readonly id: string
  /** Whether the model reads the text to its end. */
  fits(text: string): boolean
}

/**
 * Holds chunks within what a model reads: `maxTokens`, the prefix of passages included. An embedder that cannot count tokens here (a
 * server, a tokenizer in a thread of its own) lets every text pass, and cuts what is too long, as it would without the limit.
 *
 * The embedder must be open when a document is cut, as it is in a topology that embeds with it; else ILLEGAL_STATE.
 *
 * @example
 * const model = onnx({ model: 'all-MiniLM-L6-v2' })
 * documents
 *   .process(chunk('chunks', { text: (d) => d.text, limit: tokenLimit(model) }))
 *   .process(diff('changes', { against: index }))
 *   .process(embed('vectors', model))
 */
export function tokenLimit(embedder: Pick<Embedder, 'id' | 'maxTokens' | 'countTokens'>): TokenLimit {
  return {
    get id() {
      return `tokens=${embedder.maxTokens} ${embedder.id}`
    },
    fits(text) {
      const { maxTokens, countTokens } = embedder
      return maxTokens === Number.POSITIVE_INFINITY || countTokens === undefined || countTokens(text) <= maxTokens
    },
  }
}
