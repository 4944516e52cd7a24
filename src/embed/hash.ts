import { StreamError } from '../errors.ts'
import type { Embedder } from './embedder.ts'

export interface HashOptions {
  /** Length of the vectors. Default 384. */
  readonly dimensions?: number
}

/**
 * An embedder without a model: a hashed bag of the lower-cased words of a text (Weinberger et al., "Feature Hashing for Large Scale
 * Multitask Learning", 2009), of unit length. Texts that share words are near one another, so searching makes sense; synonyms are not.
 * The same text gives the same bytes on every machine. For tests, and for trying things out.
 *
 * @example
 * stream.process(embed('vectors', hash()))
 */
export function hash(options: HashOptions = {}): Embedder {
  const dimensions = options.dimensions ?? 384
  if (!Number.isInteger(dimensions) || dimensions < 1)
    throw new StreamError(
      'CONFIG_INVALID',
      `dimensions of the hash embedder must be a whole number from 1, not ${dimensions}`,
    )
  const counted = { texts: 0, tokens: 0, batches: 0 }
  return {
    id: `hash:1:${dimensions}`,
    dimensions,
    maxTokens: Number.POSITIVE_INFINITY,
    open: async () => undefined,
    close: async () => undefined,
    async embed(texts, signal) {
      signal.throwIfAborted()
      counted.batches++
      counted.texts += texts.length
      return texts.map((text) => {
        const words = wordsOf(text)
        counted.tokens += words.length
        return vectorOf(text, words, dimensions)
      })
    },
    countTokens: (text) => wordsOf(text).length,
    get stats() {
      return { ...counted, sharedTexts: 0, paddingRatio: 0, truncatedTexts: 0, oldestWaitMs: 0, waitingTexts: 0 }
    },
  }
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}

function vectorOf(text: string, words: readonly string[], dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  for (const [word, count] of countsOf(words)) {
    // Without a corpus to count in, length stands in for rarity: on the retrieval fixture it finds a sixth more than weight 1.
    addWord(vector, word, (1 + Math.log(count)) * Math.log1p(word.length))
  }
  let length = Math.hypot(...vector)
  if (length === 0) {
    // No words, or words that cancel each other out: the text itself is the one word.
    addWord(vector, text, 1)
    length = 1
  }
  return vector.map((value) => value / length)
}

function countsOf(words: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

function addWord(vector: Float32Array, word: string, weight: number): void {
  const code = hashOf(word)
  const at = code % vector.length
  const sign = code & 0x80000000 ? -1 : 1
  vector[at] = (vector[at] ?? 0) + sign * weight
}

/** FNV-1a over UTF-16 units, then the finalizer of MurmurHash3, which spreads it over all bits. */
function hashOf(word: string): number {
  let code = 0x811c9dc5
  for (let at = 0; at < word.length; at++) code = Math.imul(code ^ word.charCodeAt(at), 0x01000193)
  code = Math.imul(code ^ (code >>> 16), 0x85ebca6b)
  code = Math.imul(code ^ (code >>> 13), 0xc2b2ae35)
  return (code ^ (code >>> 16)) >>> 0
}
