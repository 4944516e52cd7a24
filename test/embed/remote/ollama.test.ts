import { expect, test } from 'vitest'
import { goldenText } from '../../../src/embed/remote/identity.ts'
import { type OllamaOptions, ollama } from '../../../src/embed/remote/ollama.ts'
import { fakeModel, startOllama, vectorOf } from '../../support/embedding-servers/index.ts'
import { caught, eventually, never, opened, quick, served } from './harness.ts'

const allMiniLm = fakeModel({
  name: 'all-minilm',
  revision: '1b226e2802dbb772b5fc32a58f103ca1804ef7501331012de126ab22f67475ef',
})

const startServer = () => served(startOllama({ model: allMiniLm }))

async function openOllama(options: Partial<OllamaOptions>) {
  return opened(ollama({ ...quick(), model: 'all-minilm', ...options }))
}

test('the digest of the weights is in the id, the context length of the model its limit', async () => {
  const server = await startServer()

  const embedder = await openOllama({ urls: server.url })

  expect(embedder.id).toMatch(/^ollama:all-minilm@1b226e2802db:8:[0-9a-f]{16}$/)
  expect(embedder).toMatchObject({ dimensions: 8, maxTokens: 512 })
})

test('texts travel as a list, and its tokens are counted', async () => {
  const server = await startServer()
  const embedder = await openOllama({ urls: server.url })
  const texts = ['mill', 'water wheel']

  const vectors = await embedder.embed(texts, never)

  expect(vectors).toEqual(texts.map((text) => Float32Array.from(vectorOf(allMiniLm, text))))
  expect(server.requests.at(-1)?.body).toEqual({ model: 'all-minilm', input: [...texts, goldenText], truncate: true })
  expect(embedder.stats.tokens).toBe(7)
})

test('a model that was not pulled is named, with the command that pulls it', async () => {
  const server = await startServer()

  await expect(openOllama({ urls: server.url, model: 'bge-m3' })).rejects.toMatchObject({
    code: 'MODEL_MISSING',
    fact: expect.stringMatching(/^Ollama at http:.*: model "bge-m3" is not there$/),
    fix: 'Run `ollama pull bge-m3` on the server.',
  })
})

test('a model that is removed later pauses the callers until it is back', async () => {
  const server = await startServer()
  const embedder = await openOllama({ urls: server.url })
  server.model = fakeModel({ name: 'another' })

  const error = await caught(embedder.embed(['text'], never))
  server.model = allMiniLm

  expect(error).toMatchObject({ code: 'EMBED_FAILED', reaction: 'retry' })
  await eventually(() => embedder.embed(['text'], never).catch(() => [])).toHaveLength(1)
})

test('a text without a finite vector makes it answer 500, and is found', async () => {
  const server = await startServer()
  const embedder = await openOllama({ urls: server.url })

  const [refused, fine] = await Promise.allSettled([
    embedder.embed(['NaN!'], never),
    embedder.embed(['good', 'better'], never),
  ])

  expect(refused).toMatchObject({ reason: { code: 'EMBED_TEXT', fact: expect.stringContaining('unsupported value') } })
  expect(fine.status).toBe('fulfilled')
})

test.each<[string, unknown, string]>([
  ['no options', undefined, 'ollama takes an object with options, not undefined.'],
  ['no model', {}, 'the option "model" is missing. Name one of `ollama list`: { model: '],
  ['a truth that is a text', { model: 'all-minilm', truncate: 'no' }, 'truncate must be true or false, not a text.'],
])('%s is refused before anything is asked', (_, options, sentence) => {
  expect(() => ollama(options as OllamaOptions)).toThrow(`CONFIG_INVALID: ${sentence}`)
})
