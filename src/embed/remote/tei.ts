import { StreamError } from '../../errors.ts'
import type { Embedder } from '../embedder.ts'
import { flag, type OptionKinds, text } from '../option-values.ts'
import type { EmbeddingApi, ServedModel } from './api.ts'
import { RemoteEmbedder } from './embedder.ts'
import { malformed } from './failures.ts'
import { positiveOf, textOf } from './json.ts'
import { checkOptions, type RemoteOptions } from './options.ts'

export interface TeiOptions extends RemoteOptions {
  /** `http://tei:8080` */
  readonly urls: string | readonly string[]
  /**
   * Cut texts that are too long for the model; false refuses them (EMBED_TEXT). The server does not tell which texts it has cut. Default
   * true.
   */
  readonly truncate?: boolean
  /** One of the prompts of the model's sentence-transformers configuration, put before every text by the server. Default none. */
  readonly promptName?: string
}

const teiOptionKinds: OptionKinds<Omit<TeiOptions, keyof RemoteOptions>> = { truncate: flag, promptName: text }

/**
 * Embeds with Hugging Face Text Embeddings Inference, over `/embed`. `/info` names the model, its commit and the limits of the server.
 *
 * Defaults: 4 requests a server at a time, of as many texts as the server takes (32 unless it is told otherwise), and 300,000 characters (the server's limit for a body
 * is 2 MB).
 *
 * Throws CONFIG_INVALID for options that are unknown, missing or of another kind.
 * `open` throws EMBED_FAILED when no server answers, EMBED_DENIED when a key is missing, CONFIG_INVALID when one of them is no TEI or
 * the servers have different models. Servers are proxied as Node's fetch is: see NODE_USE_ENV_PROXY.
 *
 * @example
 * const embedder = tei({ urls: ['http://tei-0:8080', 'http://tei-1:8080'], prefix: 'passage: ', queryPrefix: 'query: ' })
 */
export function tei(options: TeiOptions): Embedder {
  checkOptions('tei', options, teiOptionKinds)
  return new RemoteEmbedder(teiApi(options), options, {
    maxConcurrentRequests: 4,
    // The server says it.
    maxBatchTexts: Number.POSITIVE_INFINITY,
    maxBatchCharacters: 300_000,
  })
}

/** What `--max-client-batch-size` is unless somebody sets it. */
const defaultBatchTexts = 32

function teiApi({ truncate = true, normalize = true, promptName, dimensions }: TeiOptions): EmbeddingApi {
  const settings = { truncate, normalize, ...(promptName !== undefined && { prompt_name: promptName }) }
  return {
    id: 'tei',
    name: 'TEI',
    path: '/embed',
    settings,
    missingModelFix: 'Start the server with an embedding model.',
    identify: (ask) => ask({ method: 'GET', path: '/info' }, servedModel),
    bodyOf: (texts) => ({ inputs: texts, ...settings, ...(dimensions !== undefined && { dimensions }) }),
    read(answer, headers) {
      if (!Array.isArray(answer)) throw malformed('list of vectors')
      return { rows: answer, tokens: Number(headers.get('x-compute-tokens') ?? 0) || 0, model: undefined }
    },
  }
}

function servedModel(info: unknown): ServedModel {
  const model = textOf(info, 'model_id')
  if (model === undefined) throw malformed('model_id')
  if (!isEmbedding(info))
    throw new StreamError('CONFIG_INVALID', `"${model}" is no embedding model`, {
      fix: 'Start the server with an embedding model, not with a classifier or a re-ranker.',
    })
  return {
    model,
    revision: textOf(info, 'model_sha') ?? '',
    maxTokens: positiveOf(info, 'max_input_length', Number.POSITIVE_INFINITY),
    maxBatchTexts: positiveOf(info, 'max_client_batch_size', defaultBatchTexts),
  }
}

/** `model_type` is `{ "embedding": { "pooling": "cls" } }` for those; older servers do not have it. */
function isEmbedding(info: unknown): boolean {
  const type = typeof info === 'object' && info !== null && 'model_type' in info ? info.model_type : undefined
  return typeof type !== 'object' || type === null || Object.keys(type).some((kind) => /^embedding$/i.test(kind))
}
