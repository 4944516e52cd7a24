import { type FakeModel, tokensOf, vectorOf } from './model.ts'
import type { Dialect, HandledRequest, Reply } from './server.ts'

interface EmbedRequest {
  readonly model?: string
  readonly input?: string | readonly string[]
  readonly truncate?: boolean
  readonly dimensions?: number
}

/** Ollama 0.12: `/api/tags`, `/api/show` and `/api/embed`. Models have a tag. */
export const ollamaDialect: Dialect = {
  embedPath: '/api/embed',
  unauthorized: { status: 401, json: { error: 'unauthorized' } },
  textsOf: (body) => [(body as EmbedRequest | undefined)?.input ?? []].flat(),
  answer(request, model) {
    if (request.path === '/api/tags') return { status: 200, json: { models: [tagOf(model)] } }
    const asked = (request.body as EmbedRequest | undefined)?.model
    if (![model.name, `${model.name}:latest`].includes(asked ?? ''))
      return { status: 404, json: { error: `model "${asked}" not found, try pulling it first` } }
    if (request.path === '/api/show') return { status: 200, json: shown(model) }
    return request.path === '/api/embed' ? answerTo(request, model) : { status: 404, text: '404 page not found' }
  },
}

function tagOf({ name, revision }: FakeModel): object {
  return {
    name: `${name}:latest`,
    model: `${name}:latest`,
    modified_at: '2025-10-01T08:00:00.000000000Z',
    size: 45960996,
    digest: revision,
    details: {
      parent_model: '',
      format: 'gguf',
      family: 'bert',
      families: ['bert'],
      parameter_size: '23M',
      quantization_level: 'F16',
    },
  }
}

function shown({ maxTokens, dimensions }: FakeModel): object {
  return {
    details: { format: 'gguf', family: 'bert' },
    model_info: {
      'general.architecture': 'bert',
      'bert.context_length': maxTokens,
      'bert.embedding_length': dimensions,
    },
    capabilities: ['embedding'],
  }
}

function answerTo({ body, texts }: HandledRequest, model: FakeModel): Reply {
  const { model: asked, truncate = true, dimensions } = body as EmbedRequest
  const counts = texts.map(tokensOf)
  if (!truncate && counts.some((count) => count > model.maxTokens))
    return { status: 400, json: { error: 'the input length exceeds the context length' } }
  const embeddings = texts.map((text) => vectorOf(model, text, dimensions))
  if (embeddings.some((vector) => vector.some(Number.isNaN)))
    return { status: 500, json: { error: 'failed to encode response: json: unsupported value: NaN' } }
  return {
    status: 200,
    json: {
      model: asked,
      embeddings,
      total_duration: 14143917,
      load_duration: 1019500,
      prompt_eval_count: counts.reduce((sum, count) => sum + Math.min(count, model.maxTokens), 0),
    },
  }
}
