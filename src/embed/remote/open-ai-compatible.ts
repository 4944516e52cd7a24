import type { Embedder } from '../embedder.ts'
import { fields, type OptionKinds, oneOf, requireModel, text } from '../option-values.ts'
import type { EmbeddingApi } from './api.ts'
import { RemoteEmbedder } from './embedder.ts'
import { malformed } from './failures.ts'
import { fieldOf, listOf, positiveOf, textOf } from './json.ts'
import { checkOptions, type RemoteOptions } from './options.ts'

export interface OpenAiCompatibleOptions extends RemoteOptions {
  /** As the official clients take it, with the version. Default `https://api.openai.com/v1`. */
  readonly urls?: string | readonly string[]
  /** `text-embedding-3-small` */
  readonly model: string
  /**
   * How vectors travel. base64 is a quarter of the size and exact; a server that does not know it and sends numbers is understood, one
   * that refuses it needs `float`. Default `base64`.
   */
  readonly encodingFormat?: 'base64' | 'float'
  /** Further fields of every request, `{ input_type: 'passage' }`; part of the embedder's id. Default none. */
  readonly parameters?: Readonly<Record<string, unknown>>
}

const openAiOptionKinds: OptionKinds<Omit<OpenAiCompatibleOptions, keyof RemoteOptions>> = {
  model: text,
  encodingFormat: oneOf(['base64', 'float']),
  parameters: fields,
}

/**
 * Embeds with OpenAI, or with a server that speaks its `/embeddings`: vLLM, Infinity, llama.cpp, LocalAI, LiteLLM, Azure's v1 and others.
 *
 * Defaults: 8 requests a server at a time, of 2,048 texts and 100,000 characters: not more than the 300,000 tokens of OpenAI's limit,
 * whatever is written. Servers that take fewer texts need `maxBatchTexts`. Texts that are too long for the model are refused by most
 * servers (EMBED_TEXT). An answer of another model than at the start is not used.
 *
 * Throws CONFIG_INVALID for options that are unknown, missing or of another kind.
 * `open` throws EMBED_FAILED when no server answers, EMBED_DENIED when the key is wrong, MODEL_MISSING, or CONFIG_INVALID when the
 * servers have different models or cannot give vectors of `dimensions`.
 *
 * @example
 * const embedder = openAiCompatible({ model: 'text-embedding-3-small', dimensions: 512, apiKey })
 */
export function openAiCompatible(options: OpenAiCompatibleOptions): Embedder {
  checkOptions('openAiCompatible', options, openAiOptionKinds)
  requireModel(options.model, "Name one that the server has: { model: 'text-embedding-3-small' }.")
  const { urls = 'https://api.openai.com/v1' } = options
  return new RemoteEmbedder(
    openAiApi(options),
    { ...options, urls },
    {
      maxConcurrentRequests: 8,
      maxBatchTexts: 2_048,
      maxBatchCharacters: 100_000,
    },
  )
}

function openAiApi(options: OpenAiCompatibleOptions): EmbeddingApi {
  const { model, dimensions, encodingFormat = 'base64', parameters = {} } = options
  return {
    id: 'openai',
    name: 'the OpenAI API',
    path: '/embeddings',
    settings: parameters,
    missingModelFix: 'Name a model that the server has, and that the key may use.',
    // The interface has no word for the weights behind a name.
    identify: async () => ({
      model,
      revision: '',
      maxTokens: Number.POSITIVE_INFINITY,
      maxBatchTexts: Number.POSITIVE_INFINITY,
    }),
    bodyOf: (texts) => ({
      ...parameters,
      model,
      input: texts,
      encoding_format: encodingFormat,
      ...(dimensions !== undefined && { dimensions }),
    }),
    read(answer) {
      const data = listOf(answer, 'data')
      if (!data) throw malformed('data')
      return {
        rows: inOrder(data).map((entry) => fieldOf(entry, 'embedding')),
        tokens: positiveOf(fieldOf(answer, 'usage'), 'prompt_tokens', 0),
        model: textOf(answer, 'model'),
      }
    },
  }
}

/** The order of the texts, which `index` tells. */
function inOrder(data: readonly unknown[]): readonly unknown[] {
  const placeOf = (entry: unknown) => positiveOf(entry, 'index', 0)
  return data.toSorted((a, b) => placeOf(a) - placeOf(b))
}
