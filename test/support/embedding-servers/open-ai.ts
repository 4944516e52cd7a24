import { type FakeModel, tokensOf, vectorOf } from './model.ts'
import type { Dialect, HandledRequest, Reply } from './server.ts'

interface EmbeddingsRequest {
  readonly model?: string
  readonly input?: string | readonly string[]
  readonly encoding_format?: string
  readonly dimensions?: number
}

export interface OpenAiHabits {
  /** `openai` gives base64 when asked, refuses empty texts and long ones; `simple` is a server that ignores `encoding_format`. */
  readonly kind?: 'openai' | 'simple'
  /** Answers come with the last text first. */
  readonly reversed?: boolean
}

const maxTexts = 2_048

/** `POST /v1/embeddings` as OpenAI answers it. */
export function openAiDialect({ kind = 'openai', reversed = false }: OpenAiHabits = {}): Dialect {
  return {
    embedPath: '/v1/embeddings',
    // The real one shows the beginning and the end of the key.
    unauthorized: refusal(401, {
      message:
        'Incorrect API key provided: sk-wrong-key. You can find your API key at https://platform.openai.com/account/api-keys.',
      code: 'invalid_api_key',
    }),
    textsOf: (body) => [(body as EmbeddingsRequest | undefined)?.input ?? []].flat(),
    answer(request, model) {
      if (request.path !== '/v1/embeddings')
        return refusal(404, { message: `Invalid URL (${request.method} ${request.path})` })
      const reply = kind === 'openai' ? refusalOf(request, model) : undefined
      return reply ?? answerTo(request, model, { kind, reversed })
    },
  }
}

function refusalOf({ body, texts }: HandledRequest, model: FakeModel): Reply | undefined {
  const asked = (body as EmbeddingsRequest).model
  if (asked !== model.name)
    return refusal(404, {
      message: `The model \`${asked}\` does not exist or you do not have access to it.`,
      code: 'model_not_found',
    })
  if (texts.length > maxTexts)
    return refusal(400, {
      message: `Invalid 'input': array too long. Expected an array with maximum length ${maxTexts}, but got an array with length ${texts.length} instead.`,
      param: 'input',
      code: 'array_above_max_length',
    })
  if (texts.some((text) => text === ''))
    return refusal(400, {
      message: "Invalid 'input': input cannot be an empty string.",
      param: 'input',
    })
  const longest = Math.max(...texts.map(tokensOf))
  if (longest > model.maxTokens)
    return refusal(400, {
      message: `This model's maximum context length is ${model.maxTokens} tokens, however you requested ${longest} tokens (${longest} in your prompt; 0 for the completion). Please reduce your prompt; or completion length.`,
    })
  return undefined
}

function answerTo(
  { body, texts }: HandledRequest,
  model: FakeModel,
  { kind, reversed }: Required<OpenAiHabits>,
): Reply {
  const { encoding_format: format, dimensions } = body as EmbeddingsRequest
  const data = texts.map((text, index) => {
    const vector = vectorOf(model, text, dimensions)
    const embedding = kind === 'openai' && format === 'base64' ? base64Of(vector) : vector
    return { object: 'embedding', index, embedding }
  })
  const tokens = texts.reduce((sum, text) => sum + tokensOf(text), 0)
  return {
    status: 200,
    json: {
      object: 'list',
      data: reversed ? data.reverse() : data,
      model: model.name,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
    headers: { 'openai-version': '2020-10-01', 'x-request-id': 'req_0' },
  }
}

function base64Of(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64')
}

interface ApiRefusal {
  readonly message: string
  readonly type?: string
  readonly param?: string
  readonly code?: string
}

function refusal(status: number, { message, type = 'invalid_request_error', param, code }: ApiRefusal): Reply {
  return { status, json: { error: { message, type, param: param ?? null, code: code ?? null } } }
}

/** Too many requests or tokens in a minute. */
export function rateLimited(headers: Readonly<Record<string, string>>) {
  const message = 'Rate limit reached for text-embedding-3-small in organization org-0 on tokens per min (TPM).'
  return { kind: 'answer', ...refusal(429, { message, type: 'tokens', code: 'rate_limit_exceeded' }), headers } as const
}

export const quotaExceeded = {
  kind: 'answer',
  ...refusal(429, {
    message: 'You exceeded your current quota, please check your plan and billing details.',
    type: 'insufficient_quota',
    code: 'insufficient_quota',
  }),
} as const
