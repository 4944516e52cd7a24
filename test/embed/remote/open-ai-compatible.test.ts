import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { goldenText } from '../../../src/embed/remote/identity.ts'
import { type OpenAiCompatibleOptions, openAiCompatible } from '../../../src/embed/remote/open-ai-compatible.ts'
import { fakeModel, quotaExceeded, rateLimited, startOpenAi, vectorOf } from '../../support/embedding-servers/index.ts'
import { caught, eventually, never, opened, quick, recordingLogger, served } from './harness.ts'

const model = 'mill/embedder-small'

/** `urls` without the version. */
async function openOpenAi({ urls, ...options }: Partial<OpenAiCompatibleOptions> & { readonly urls: string }) {
  return opened(openAiCompatible({ ...quick(), model, ...options, urls: `${urls}/v1` }))
}

test('vectors travel as base64, without loss', async () => {
  const server = await served(startOpenAi())
  const embedder = await openOpenAi({ urls: server.url })

  const [vector] = await embedder.embed(['mill'], never)

  expect(vector).toEqual(Float32Array.from(vectorOf(server.model, 'mill')))
  expect(server.requests.at(-1)?.body).toEqual({ model, input: ['mill', goldenText], encoding_format: 'base64' })
})

test('numbers are understood from a server that does not know base64, or is not asked for it', async () => {
  const simple = await served(startOpenAi({ kind: 'simple' }))
  const asked = await served(startOpenAi())

  const embedders = [
    await openOpenAi({ urls: simple.url }),
    await openOpenAi({ urls: asked.url, encodingFormat: 'float' }),
  ]

  for (const embedder of embedders)
    expect(await embedder.embed(['mill'], never)).toEqual([Float32Array.from(vectorOf(fakeModel(), 'mill'))])
})

test('vectors are put in the order of the texts, whatever the order of the answer', async () => {
  const server = await served(startOpenAi({ reversed: true }))
  const embedder = await openOpenAi({ urls: server.url })
  const texts = ['first', 'second', 'third']

  const vectors = await embedder.embed(texts, never)

  expect(vectors).toEqual(texts.map((text) => Float32Array.from(vectorOf(server.model, text))))
})

test('shorter vectors are asked for, and further fields sent with every request', async () => {
  const server = await served(startOpenAi())

  const embedder = await openOpenAi({ urls: server.url, dimensions: 4, parameters: { input_type: 'passage' } })

  expect(embedder.dimensions).toBe(4)
  expect(server.requests[0]?.body).toMatchObject({ dimensions: 4, input_type: 'passage' })
  expect(embedder.id).not.toBe((await openOpenAi({ urls: server.url, dimensions: 4 })).id)
})

test('a request has at most 2,048 texts and 100,000 characters', async () => {
  const server = await served(startOpenAi())
  const embedder = await openOpenAi({ urls: server.url })
  const short = Array.from({ length: 5_000 }, (_, at) => `${at}`)
  const long = Array.from({ length: 150 }, (_, at) => `${at}`.padStart(1_000, '-'))

  await Promise.all([embedder.embed(short, never), embedder.embed(long, never)])

  const batches = server.batches
  expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThan(2_048)
  expect(Math.max(...batches.map((batch) => batch.join('').length))).toBeLessThanOrEqual(100_000)
  expect(batches.length).toBeLessThan(40)
})

test('an empty text is refused alone', async () => {
  const server = await served(startOpenAi())
  const embedder = await openOpenAi({ urls: server.url })

  const [refused, fine] = await Promise.allSettled([embedder.embed([''], never), embedder.embed(['a', 'b'], never)])

  expect(refused).toMatchObject({ reason: { code: 'EMBED_TEXT', fact: expect.stringContaining('an empty string') } })
  expect(fine.status).toBe('fulfilled')
})

test('one text among many is found in few requests', async () => {
  const server = await served(startOpenAi({ model: fakeModel({ maxTokens: 100 }) }))
  const embedder = await openOpenAi({ urls: server.url, maxConcurrentRequests: 1 })
  server.standing = { kind: 'hold' }
  const occupying = embedder.embed(['occupies the only request'], never)
  await eventually(() => server.held).toBe(1)
  const before = server.batches.length
  const texts = Array.from({ length: 256 }, (_, at) => `${at} ${'mill '.repeat(at === 77 ? 200 : 5)}`)

  const results = Promise.allSettled(texts.map((text) => embedder.embed([text], never)))
  await new Promise((resolve) => setImmediate(resolve))
  server.standing = undefined
  server.release()
  await occupying

  const failed = (await results).flatMap(({ status }, at) => (status === 'rejected' ? [at] : []))
  expect(failed).toEqual([77])
  expect(server.batches.length - before).toBeLessThan(30)
})

test('a limit of requests a minute is waited for as long as the server asks', async () => {
  const server = await served(startOpenAi())
  const { logger, lines } = recordingLogger()
  const embedder = await openOpenAi({ urls: server.url, logger })
  server.fail(rateLimited({ 'retry-after': '20', 'retry-after-ms': '19500' }), rateLimited({ 'retry-after': '2' }))

  const vectors = await embedder.embed(['patient'], never)

  expect(vectors).toHaveLength(1)
  expect(lines.map(({ facts }) => facts.delayMs)).toEqual([19_500, 2_000])
})

test('while a server asks for patience it gets no further batch', async () => {
  const server = await served(startOpenAi())
  const embedder = await openOpenAi({ urls: server.url, maxBatchTexts: 1 })
  server.standing = rateLimited({ 'retry-after': '30' })
  const before = server.batches.length
  const first = embedder.embed(['first'], never)
  await eventually(() => server.batches.length).toBe(before + 1)

  const others = embedder.embed(['a', 'b', 'c'], never)
  server.standing = undefined
  await Promise.all([first, others])

  expect(server.batches.slice(before, before + 2)).toEqual([['first'], ['first']])
})

test('a quota that is used up pauses the callers, and says whom to pay', async () => {
  const server = await served(startOpenAi())
  const embedder = await openOpenAi({ urls: server.url })
  server.fail(quotaExceeded)

  const error = await caught(embedder.embed(['text'], never))

  expect(error).toMatchObject({ code: 'EMBED_FAILED', reaction: 'retry', fix: expect.stringContaining('billing') })
})

test.each([
  ['at the start', true],
  ['later', false],
])('a key that is not taken %s is fatal, and never shown', async (_, atStart) => {
  const apiKey = 'sk-wrong-key'
  const server = await served(startOpenAi({ apiKey: atStart ? 'sk-right' : apiKey }))
  const { logger, lines } = recordingLogger()
  const embedder = openAiCompatible({ ...quick(), model, urls: `${server.url}/v1`, apiKey, logger })
  const opening = caught(opened(embedder))
  if (!atStart) {
    await opening
    server.apiKey = 'sk-right'
  }

  const error = atStart ? await opening : await caught(embedder.embed(['text'], never))

  expect(error).toMatchObject({
    code: 'EMBED_DENIED',
    reaction: 'fatal',
    fix: 'Give an API key that the embedding server accepts.',
  })
  expect(inspect([error, lines, embedder], { depth: 20, showHidden: true })).not.toContain(apiKey)
})

test('keys are taken out of what a server says', async () => {
  const [apiKey, gateway] = ['sk-secret-1', 'Basic gw-secret-2']
  const server = await served(startOpenAi({ apiKey }))
  const { logger, lines } = recordingLogger()
  const embedder = await openOpenAi({ urls: server.url, apiKey, headers: { 'x-gateway': gateway }, logger })
  const json = { error: { message: `project of ${apiKey} by ${gateway} is asleep, or ${gateway.slice(6)}` } }
  server.standing = { kind: 'answer', status: 503, json }

  const error = await caught(embedder.embed(['text'], never))

  expect(error).toMatchObject({ fact: expect.stringContaining('project of *** by *** is asleep, or ***') })
  expect(inspect([error, lines, embedder.id], { depth: 20 })).not.toMatch(/secret/)
  expect(server.requests.at(-1)?.headers['x-gateway']).toBe(gateway)
})

test('a model that the server does not have is named', async () => {
  const server = await served(startOpenAi())

  await expect(openOpenAi({ urls: server.url, model: 'other' })).rejects.toMatchObject({
    code: 'MODEL_MISSING',
    fact: expect.stringContaining('The model `other` does not exist'),
    fix: 'Name a model that the server has, and that the key may use.',
  })
})

test('an address that is another server is told at the start', async () => {
  const server = await served(startOpenAi())

  await expect(opened(openAiCompatible({ ...quick(), model, urls: server.url }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    fact: expect.stringContaining('does not answer like an embedding server (404: Invalid URL (POST /embeddings))'),
  })
})

test('an answer of another model is not used', async () => {
  const server = await served(startOpenAi({ kind: 'simple' }))
  const embedder = await openOpenAi({ urls: server.url })
  server.model = fakeModel({ name: 'fallback', seed: 'other' })

  const error = await caught(embedder.embed(['text'], never))

  expect(error).toMatchObject({
    code: 'EMBED_FAILED',
    fact: expect.stringContaining('it answers for model "fallback", not "mill/embedder-small"'),
  })
})

test.each<[string, unknown, string]>([
  ['no options', undefined, 'openAiCompatible takes an object with options, not undefined.'],
  ['no model', {}, 'the option "model" is missing. Name one that the server has: { model: '],
  ['a model that is no name', { model: 5 }, 'model must be a text, not a number.'],
  ['an empty model', { model: '' }, 'the option "model" is missing.'],
  ['another format', { model, encodingFormat: 'hex' }, 'encodingFormat must be one of base64, float, not hex.'],
  ['fields without names', { model, parameters: ['a'] }, 'parameters must be an object, not an array.'],
])('%s is refused before anything is asked', (_, options, sentence) => {
  expect(() => openAiCompatible(options as OpenAiCompatibleOptions)).toThrow(`CONFIG_INVALID: ${sentence}`)
})
