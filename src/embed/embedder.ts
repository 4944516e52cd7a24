import { StreamError } from '../errors.ts'
import type { Resource, SharedWork } from '../topology/processor.ts'

/**
 * Names everything that decides what a vector looks like: model, weights, pooling, normalisation, prefix, tokenizer, length limit and
 * arithmetic. Two embedders with the same id give the same vectors; vectors of different ids must not be compared.
 */
export type EmbedderId = string

/** What texts are: what is stored, or questions about it. */
export type InputType = 'passage' | 'query'

export interface EmbedOptions {
  /** Some models put another prefix before each. Questions go before passages that wait. Default `passage`. */
  readonly inputType?: InputType
  /** Told the place of every text that was longer than `maxTokens`, before the vectors are there. */
  readonly onTruncated?: (at: number) => void
  /**
   * Told of every batch that had texts of the call, before its vectors are there. Its counts are `texts` and `tokens`; its reason is why
   * it was closed: `idle_device`, `tokens`, `count`, `timeout`, or `refused` when it is a part of one that a device has refused.
   */
  readonly onBatch?: (batch: SharedWork) => void
  /**
   * Told of texts of the call that were tokenized together, with those of others maybe, before they are run. The step is `tokenize`, the
   * counts are `texts` and `tokens`, after cutting what is too long. Servers tokenize texts themselves, and nobody is told.
   */
  readonly onTokenized?: (work: SharedWork) => void
}

/**
 * Turns texts into vectors. One embedder serves all partitions of a process, so texts of all of them share batches.
 *
 * `open` and `close` are counted: an embedder that two topologies opened works until both have closed it.
 */
export interface Embedder extends Resource {
  /** Throws ILLEGAL_STATE before `open`. */
  readonly id: EmbedderId
  /** Length of every vector. Throws ILLEGAL_STATE before `open`. */
  readonly dimensions: number
  /** Longer texts are embedded by their first `maxTokens` tokens, counting the model's own start and end tokens. */
  readonly maxTokens: number
  /**
   * One vector per text, in the order of the texts; unit length if the model normalizes. Equal texts may share one array: read only.
   *
   * Rejects with EMBED_FAILED (retry) when no device could run the texts, with EMBED_DENIED (fatal) when a server wants another key, with
   * EMBED_TEXT (skip) when one of the texts cannot be embedded (the model refuses it, hangs over it, or gives zeros or no number), whose
   * place is `details.text`, and with the signal's reason when it aborts. May be called again at once: callers are served in turn.
   */
  embed(texts: readonly string[], signal: AbortSignal, options?: EmbedOptions): Promise<Float32Array[]>
  /** Tokens of a whole text, however long, the model's own included; absent when the tokenizer is not at hand in this thread. */
  readonly countTokens?: ((text: string) => number) | undefined
  /** How many texts at once keep every device busy, and leave a choice for the batches that follow. Absent: 32. */
  readonly textsAtOnce?: number | undefined
  readonly stats: EmbedderStats
}

/** Throws CONFIG_INVALID for what is no type of input. */
export function inputTypeOf({ inputType = 'passage' }: EmbedOptions): InputType {
  if (inputType === 'passage' || inputType === 'query') return inputType
  throw new StreamError('CONFIG_INVALID', `inputType must be passage or query, not ${String(inputType)}`)
}

/** What makes vectors among the resources of a topology. */
export function isEmbedder(resource: Resource): resource is Embedder {
  return 'embed' in resource && 'stats' in resource && 'id' in resource
}

/** Counts since `open`. */
export interface EmbedderStats {
  /** What the model runs on: `cpu`, `cuda` and so on. Absent where there is no model, or it runs elsewhere. */
  readonly device?: string
  /** Texts that were asked for. */
  readonly texts: number
  /** Of these, texts that were answered by the run of an equal text that was waiting or running. */
  readonly sharedTexts: number
  /** Tokens that were run, without padding. */
  readonly tokens: number
  readonly batches: number
  /** Part of what was run that was padding: 0 to 1. */
  readonly paddingRatio: number
  /** Texts that were longer than `maxTokens`. */
  readonly truncatedTexts: number
  /** How long the call has waited until now that has waited longest, milliseconds; 0 when none waits. Absent where nobody knows. */
  readonly oldestWaitMs?: number
  /** Texts whose callers wait for their vectors now, those that are run included; equal ones count each. Absent where nobody knows. */
  readonly waitingTexts?: number
}
