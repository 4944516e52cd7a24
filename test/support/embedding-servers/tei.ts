import { type FakeModel, tokensOf, vectorOf } from './model.ts'
import type { Dialect, HandledRequest, Reply } from './server.ts'

interface EmbedRequest {
  readonly inputs?: string | readonly string[]
  readonly truncate?: boolean
  readonly dimensions?: number | null
}

export interface TeiLimits {
  readonly maxClientBatchSize?: number
  /** `--payload-limit` */
  readonly maxBodyBytes?: number
}

/** Text Embeddings Inference 1.8: `/info` and `/embed`. */
export function teiDialect({ maxClientBatchSize = 32, maxBodyBytes = 2_000_000 }: TeiLimits = {}): Dialect {
  return {
    embedPath: '/embed',
    // The middleware answers without a body.
    unauthorized: { status: 401, text: '' },
    textsOf: (body) => [(body as EmbedRequest | undefined)?.inputs ?? []].flat(),
    answer(request, model) {
      if (request.path === '/info') return { status: 200, json: infoOf(model, maxClientBatchSize) }
      if (request.path !== '/embed') return { status: 404, text: '' }
      if (Buffer.byteLength(JSON.stringify(request.body)) > maxBodyBytes)
        return { status: 413, text: 'Failed to buffer the request body: length limit exceeded' }
      return answerTo(request, model, maxClientBatchSize)
    },
  }
}

function infoOf(model: FakeModel, maxClientBatchSize: number): object {
  return {
    model_id: model.name,
    model_sha: model.revision || null,
    model_dtype: 'float16',
    model_type: { embedding: { pooling: 'cls' } },
    max_concurrent_requests: 512,
    max_input_length: model.maxTokens,
    max_batch_tokens: 16384,
    max_batch_requests: null,
    max_client_batch_size: maxClientBatchSize,
    auto_truncate: false,
    tokenization_workers: 8,
    version: '1.8.0',
    sha: '4c6a1dcbfb62c5f0ab4ec9b5b2d1a5ab0f3f4a1a',
    docker_label: 'sha-4c6a1dc',
  }
}

function answerTo({ body, texts }: HandledRequest, model: FakeModel, maxClientBatchSize: number): Reply {
  const { truncate = false, dimensions } = body as EmbedRequest
  const surrogate = texts.findIndex((text) => !text.isWellFormed())
  if (surrogate !== -1)
    return {
      status: 400,
      text: `Failed to parse the request body as JSON: inputs[${surrogate}]: lone leading surrogate in hex escape at line 1 column 20`,
    }
  if (texts.length === 0) return refusal(400, '`inputs` cannot be empty', 'Empty')
  if (texts.length > maxClientBatchSize)
    return refusal(413, `batch size ${texts.length} > maximum allowed batch size ${maxClientBatchSize}`, 'Validation')
  const counts = texts.map(tokensOf)
  const tooLong = counts.find((count) => count > model.maxTokens)
  if (tooLong !== undefined && !truncate)
    return refusal(
      413,
      `Input validation error: \`inputs\` must have less than ${model.maxTokens} tokens. Given: ${tooLong}`,
      'Validation',
    )
  const tokens = counts.reduce((sum, count) => sum + Math.min(count, model.maxTokens), 0)
  return {
    status: 200,
    json: texts.map((text) => vectorOf(model, text, dimensions ?? undefined)),
    headers: {
      'x-compute-type': 'gpu+optimized',
      'x-compute-characters': `${texts.join('').length}`,
      'x-compute-tokens': `${tokens}`,
    },
  }
}

function refusal(status: number, error: string, type: string): Reply {
  return { status, json: { error, error_type: type } }
}

/** What it says with `--max-concurrent-requests` requests in its hands. */
export const teiOverloaded = {
  kind: 'answer',
  ...refusal(429, 'Model is overloaded', 'Overloaded'),
} as const
