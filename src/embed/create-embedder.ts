import { StreamError } from '../errors.ts'
import type { Embedder, EmbedderId, EmbedderStats, EmbedOptions } from './embedder.ts'
import { onnx } from './onnx.ts'
import type { OnnxOptions } from './onnx-options.ts'

export interface EmbedCallOptions extends Omit<EmbedOptions, 'inputType'> {
  /** Gives up when it aborts: the call rejects with its reason. Default: never. */
  readonly signal?: AbortSignal
}

/** An embedder that is open, for a program without a topology. */
export interface OpenEmbedder extends AsyncDisposable {
  /** Names everything that decides the vectors: those of two ids must not be compared. */
  readonly id: EmbedderId
  /** Length of every vector. */
  readonly dimensions: number
  /** Longer texts are embedded by their first `maxTokens` tokens. */
  readonly maxTokens: number
  /** One vector per text, in their order. Equal texts may share one array: read only. Rejects as `Embedder.embed` does. */
  embed(texts: readonly string[], options?: EmbedCallOptions): Promise<Float32Array[]>
  /** The vector of a question about the texts: some models put another prefix before it. It goes before texts that wait. */
  embedQuery(text: string, options?: EmbedCallOptions): Promise<Float32Array>
  /** Counts since it was opened. */
  stats(): EmbedderStats
  /** Calls that still wait reject with EMBED_FAILED. Closing again does nothing. */
  close(): Promise<void>
}

/**
 * Opens an embedder for use in any program: an ONNX model by the options of `onnx`, or another embedder, such as `hash()`. Call `embed` as
 * often as you like, without waiting for the last call: all calls share batches, and a call that waits holds no more than
 * its own texts.
 *
 * Throws as `onnx` and its `open` do: CONFIG_INVALID, MODEL_MISSING, MODEL_INVALID, DEVICE_UNUSABLE, EMBED_FAILED.
 *
 * @example
 * await using embedder = await createEmbedder({ model: 'all-MiniLM-L6-v2' })
 * const vectors = await embedder.embed(['Mills grind grain.', 'Rivers carry water.'])
 * const question = await embedder.embedQuery('What makes flour?')
 * const [best] = topK(question, vectors, 1) // { index: 0, score: 0.4 }
 */
export async function createEmbedder(from: OnnxOptions | Embedder): Promise<OpenEmbedder> {
  const embedder = isEmbedder(from) ? from : onnx(from)
  await embedder.open()
  let isOpen = true
  const embed = async (texts: readonly string[], { signal = never, ...options }: EmbedCallOptions & EmbedOptions) => {
    if (!isOpen) throw new StreamError('ILLEGAL_STATE', 'the embedder is closed', { fix: 'Embed before you close it.' })
    requireTexts(texts)
    return embedder.embed(texts, signal, options)
  }
  const close = async () => {
    if (!isOpen) return
    isOpen = false
    await embedder.close()
  }
  return {
    id: embedder.id,
    dimensions: embedder.dimensions,
    maxTokens: embedder.maxTokens,
    embed: (texts, options = {}) => embed(texts, options),
    async embedQuery(text, options = {}) {
      const [vector] = await embed([text], { ...options, inputType: 'query' })
      if (!vector) throw new StreamError('EMBED_FAILED', 'asked for a vector and got none')
      return vector
    },
    stats: () => embedder.stats,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** For programs in JavaScript: `onnx` says what is wrong with whatever is no object. */
function isEmbedder(from: OnnxOptions | Embedder): from is Embedder {
  return typeof from === 'object' && from !== null && 'embed' in from
}

const never = new AbortController().signal

/** For programs in JavaScript: a single string would be taken apart into characters. */
function requireTexts(texts: readonly unknown[]): void {
  if (!Array.isArray(texts))
    throw new StreamError('CONFIG_INVALID', `embed takes an array of texts, not ${typeof texts}`, {
      fix: 'Pass an array of strings.',
    })
  const wrong = texts.findIndex((text) => typeof text !== 'string')
  if (wrong !== -1)
    throw new StreamError('CONFIG_INVALID', `text ${wrong} is no string but ${typeof texts[wrong]}`, {
      fix: 'Pass an array of strings.',
    })
}
