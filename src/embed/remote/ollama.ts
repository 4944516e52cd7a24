import { StreamError } from '../../errors.ts'
import type { Embedder } from '../embedder.ts'
import { flag, type OptionKinds, requireModel, text } from '../option-values.ts'
import type { EmbeddingApi } from './api.ts'
import { RemoteEmbedder } from './embedder.ts'
import { malformed } from './failures.ts'
import { fieldOf, listOf, positiveOf, textOf } from './json.ts'
import { checkOptions, type RemoteOptions } from './options.ts'

export interface OllamaOptions extends RemoteOptions {
  /** Default `http://127.0.0.1:11434`. */
  readonly urls?: string | readonly string[]
  /** As `ollama list` names it; without a tag it is `latest`: `all-minilm`. */
  readonly model: string
  /**
   * Cut texts that are too long for the model; false refuses them (EMBED_TEXT). The server does not tell which texts it has cut. Default
   * true.
   */
  readonly truncate?: boolean
}

const ollamaOptionKinds: OptionKinds<Omit<OllamaOptions, keyof RemoteOptions>> = { model: text, truncate: flag }

/**
 * Embeds with Ollama, over `/api/embed`. `/api/tags` tells the digest of the weights, `/api/show` how many tokens the model takes.
 *
 * Defaults: 2 requests a server at a time, of 64 texts and 100,000 characters. The first request loads the model: give
 * `requestTimeoutMs` the time for that.
 *
 * Throws CONFIG_INVALID for options that are unknown, missing or of another kind.
 * `open` throws EMBED_FAILED when no server answers, MODEL_MISSING when one has not pulled the model, CONFIG_INVALID when the servers
 * have different weights under its name.
 *
 * @example
 * const embedder = ollama({ model: 'all-minilm', requestTimeoutMs: 120_000 })
 */
export function ollama(options: OllamaOptions): Embedder {
  checkOptions('ollama', options, ollamaOptionKinds)
  requireModel(options.model, "Name one of `ollama list`: { model: 'all-minilm' }.")
  const { urls = 'http://127.0.0.1:11434' } = options
  return new RemoteEmbedder(
    ollamaApi(options),
    { ...options, urls },
    {
      maxConcurrentRequests: 2,
      maxBatchTexts: 64,
      maxBatchCharacters: 100_000,
    },
  )
}

function ollamaApi({ model, truncate = true, dimensions }: OllamaOptions): EmbeddingApi {
  const missingModelFix = `Run \`ollama pull ${model}\` on the server.`
  return {
    id: 'ollama',
    name: 'Ollama',
    path: '/api/embed',
    settings: { truncate },
    missingModelFix,
    async identify(ask) {
      const revision = await ask({ method: 'GET', path: '/api/tags' }, (tags) => {
        const models = listOf(tags, 'models')
        if (!models) throw malformed('models')
        const found = models.find((entry) => [model, `${model}:latest`].includes(textOf(entry, 'name') ?? ''))
        if (!found) throw new StreamError('MODEL_MISSING', `model "${model}" is not there`, { fix: missingModelFix })
        return textOf(found, 'digest') ?? ''
      })
      const maxTokens = await ask({ method: 'POST', path: '/api/show', body: { model } }, contextOf)
      return { model, revision, maxTokens, maxBatchTexts: Number.POSITIVE_INFINITY }
    },
    bodyOf: (texts) => ({ model, input: texts, truncate, ...(dimensions !== undefined && { dimensions }) }),
    read(answer) {
      const rows = listOf(answer, 'embeddings')
      if (!rows) throw malformed('embeddings')
      return { rows, tokens: positiveOf(answer, 'prompt_eval_count', 0), model: textOf(answer, 'model') }
    },
  }
}

/** `{ "general.architecture": "bert", "bert.context_length": 512 }` */
function contextOf(shown: unknown): number {
  const info = fieldOf(shown, 'model_info')
  return positiveOf(info, `${textOf(info, 'general.architecture')}.context_length`, Number.POSITIVE_INFINITY)
}
