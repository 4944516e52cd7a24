import { expect, test } from 'vitest'
import { goldenText } from '../../../src/embed/remote/identity.ts'
import { type TeiOptions, tei } from '../../../src/embed/remote/tei.ts'
import { fakeModel, startTei, vectorOf } from '../../support/embedding-servers/index.ts'
import { eventually, never, opened, quick, served } from './harness.ts'

const numbersTo = (count: number) => Array.from({ length: count }, (_, at) => `text ${at}`)

async function openTei(options: TeiOptions) {
  return opened(tei({ ...quick(), ...options }))
}

test('the server says who it is, and that is the id', async () => {
  const server = await served(startTei())

  const embedder = await openTei({ urls: server.url })

  expect(embedder.id).toMatch(/^tei:mill\/embedder-small@5c38ec7c405e:8:[0-9a-f]{16}$/)
  expect(embedder).toMatchObject({ dimensions: 8, maxTokens: 512 })
})

test.each<[string, Partial<TeiOptions>]>([
  ['a prefix', { prefix: 'passage: ' }],
  ['a prefix of queries', { queryPrefix: 'query: ' }],
  ['a prompt of the server', { promptName: 'document' }],
  ['the length of vectors', { dimensions: 4 }],
  ['normalisation', { normalize: false }],
  ['truncation', { truncate: false }],
])('%s decides the vectors, and so the id', async (_, options) => {
  const server = await served(startTei())
  const plain = await openTei({ urls: server.url })

  const other = await openTei({ urls: server.url, ...options })

  expect(other.id).not.toBe(plain.id)
})

test('an address, a key and the size of requests do not', async () => {
  const [one, two] = [await served(startTei()), await served(startTei({ maxClientBatchSize: 8 }))]

  const [first, second] = [
    await openTei({ urls: one.url }),
    await openTei({ urls: two.url, apiKey: 'k-1234567', maxConcurrentRequests: 1 }),
  ]

  expect(second.id).toBe(first.id)
})

test('requests have no more texts than the server takes, and vectors come in the order of the texts', async () => {
  const server = await served(startTei({ maxClientBatchSize: 10 }))
  const embedder = await openTei({ urls: server.url })
  const texts = numbersTo(95)

  const vectors = await embedder.embed(texts, never)

  const sizes = server.batches.map((batch) => batch.length)
  expect(Math.max(...sizes)).toBe(9)
  expect(Math.max(...server.requests.map(({ texts }) => texts.length))).toBe(10)
  expect(vectors.map(([first]) => first?.toFixed(5))).toEqual(
    texts.map((text) => vectorOf(server.model, text)[0]?.toFixed(5)),
  )
})

test('a server that takes more texts gets more', async () => {
  const server = await served(startTei({ maxClientBatchSize: 100 }))
  const embedder = await openTei({ urls: server.url, maxConcurrentRequests: 1 })

  await Promise.all([embedder.embed(['occupies the only request'], never), embedder.embed(numbersTo(400), never)])

  expect(Math.max(...server.batches.map((batch) => batch.length))).toBe(99)
})

test('requests keep below their bound of characters', async () => {
  const server = await served(startTei())
  const embedder = await openTei({ urls: server.url, maxBatchCharacters: 100 })

  await embedder.embed(
    numbersTo(30).map((text) => text.padEnd(20, '.')),
    never,
  )

  const batches = server.batches
  expect(Math.max(...batches.map((batch) => batch.join('').length))).toBe(100)
})

test('a server has so many requests at a time, and no more', async () => {
  const server = await served(startTei({ maxClientBatchSize: 1 }))
  const embedder = await openTei({ urls: server.url, maxConcurrentRequests: 3 })
  server.standing = { kind: 'hold' }

  const embedding = embedder.embed(numbersTo(12), never)
  await eventually(() => server.held).toBe(3)
  server.standing = undefined
  server.release()

  expect(await embedding).toHaveLength(12)
  expect(server.mostAtOnce).toBe(3)
})

test('a text that is too long is cut by the server, or refused alone', async () => {
  const server = await served(startTei())
  const long = 'mill '.repeat(600)
  const cutting = await openTei({ urls: server.url })
  const refusing = await openTei({ urls: server.url, truncate: false })

  const [, vector] = await cutting.embed(['short', long], never)
  const [fitting, refused] = await Promise.allSettled([
    refusing.embed(['short'], never),
    refusing.embed(['fine', long], never),
  ])

  expect(vector).toHaveLength(8)
  expect(fitting.status).toBe('fulfilled')
  expect(refused).toMatchObject({
    reason: {
      code: 'EMBED_TEXT',
      fact: expect.stringMatching(/^a text of 3000 characters cannot be embedded: TEI at .* must have less than 512/),
    },
  })
})

test('tokens are those that the server has counted', async () => {
  const server = await served(startTei())
  const embedder = await openTei({ urls: server.url })

  await embedder.embed(['three short words', 'one'], never)

  expect(embedder.stats).toEqual({
    texts: 2,
    sharedTexts: 0,
    tokens: 8,
    batches: expect.any(Number),
    paddingRatio: 0,
    truncatedTexts: 0,
    oldestWaitMs: 0,
    waitingTexts: 0,
  })
})

test('passages and queries get their own prefix', async () => {
  const server = await served(startTei())
  const embedder = await openTei({ urls: server.url, prefix: 'passage: ', queryPrefix: 'query: ' })

  await embedder.embed(['mill'], never)
  await embedder.embed(['mill'], never, { inputType: 'query' })

  expect(server.batches).toEqual([['passage: mill'], ['query: mill']])
})

test('a server without a commit of its model is known by the name alone', async () => {
  const server = await served(startTei({ model: fakeModel({ name: '/data', revision: '' }) }))

  const embedder = await openTei({ urls: server.url })

  expect(embedder.id).toMatch(/^tei:\/data:8:/)
})

test('vectors get unit length when the server has not done it', async () => {
  const server = await served(startTei())
  const embedder = await openTei({ urls: server.url })
  const golden = vectorOf(server.model, goldenText).map((value) => 5 * value)
  server.fail({ kind: 'answer', status: 200, json: [[3, 4, 0, 0, 0, 0, 0, 0], golden] })

  const [vector] = await embedder.embed(['text'], never)

  expect([...(vector ?? [])].slice(0, 2)).toEqual([Math.fround(0.6), Math.fround(0.8)])
})

test('vectors stay as the server gives them without normalisation', async () => {
  const server = await served(startTei())
  const embedder = await openTei({ urls: server.url, normalize: false })
  server.fail({ kind: 'answer', status: 200, json: [[3, 4, 0, 0, 0, 0, 0, 0], vectorOf(server.model, goldenText)] })

  const [vector] = await embedder.embed(['text'], never)

  expect([...(vector ?? [])].slice(0, 2)).toEqual([3, 4])
})

test('what UTF-8 has no bytes for travels as the replacement character', async () => {
  const server = await served(startTei())
  const embedder = await openTei({ urls: server.url })

  await embedder.embed(['half a \ud83d pair'], never)

  expect(server.batches).toEqual([['half a \ufffd pair']])
})

test('a server that shortens no vectors is told apart from one that does', async () => {
  const server = await served(startTei())
  const whole = vectorOf(server.model, 'any')
  server.standing = { kind: 'answer', status: 200, json: [whole, whole] }

  await expect(openTei({ urls: server.url, dimensions: 4 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    fact: 'the server gives 8 dimensions, and 4 were asked for',
  })
})

test.each<[string, unknown, RegExp]>([
  ['no server', { urls: [] }, /`urls` names no server/],
  ['a server twice', { urls: ['http://a:1', 'http://a:1/'] }, /names a server twice/],
  ['no address', { urls: 'tei:8080' }, /not an http or https address/],
  ['a password in the address', { urls: 'http://me:secret@tei' }, /has more than an address: http:\/\/tei\b/],
  ['a key over plain http', { urls: 'http://tei', apiKey: 'k' }, /would travel unencrypted to http:\/\/tei/],
  ['a misspelled option', { urls: 'http://tei', batchSize: 3 }, /tei has no option "batchSize"/],
  ['a size of nothing', { urls: 'http://tei', maxBatchTexts: 0 }, /maxBatchTexts must be a whole number from 1, not 0/],
  ['no address at all', {}, /`urls` names no server/],
  ['no options', undefined, /^CONFIG_INVALID: tei takes an object with options, not undefined\. Known are urls, /],
  [
    'an address that is no text',
    { urls: ['http://tei', 5] },
    /urls must be an address or an array of them, not an arr/,
  ],
  ['a key that is no text', { urls: 'https://tei', apiKey: 123456 }, /apiKey must be a text, not a number/],
  [
    'a header that is no text',
    { urls: 'http://tei', headers: { a: 1 } },
    /headers must be an object of texts, not an obj/,
  ],
  ['a truth that is a text', { urls: 'http://tei', normalize: 'false' }, /normalize must be true or false, not a text/],
  ['another one', { urls: 'http://tei', truncate: 0 }, /truncate must be true or false, not a number/],
  ['a prefix that is no text', { urls: 'http://tei', queryPrefix: 5 }, /queryPrefix must be a text, not a number/],
  ['a prompt that is no name', { urls: 'http://tei', promptName: {} }, /promptName must be a text, not an object/],
  ['a wait of less than none', { urls: 'http://tei', maxWaitMs: -1 }, /maxWaitMs must be a number from 0, not -1/],
  ['a clock without hands', { urls: 'http://tei', clock: {} }, /clock must be a Clock, with now and after, not an obj/],
  ['a logger without a voice', { urls: 'http://tei', logger: {} }, /logger must be a Logger, with debug, info, warn/],
  ['chance that is a number', { urls: 'http://tei', random: 0.5 }, /random must be a function, not a number/],
  ['a timeout that fetch does not keep', { urls: 'http://tei', requestTimeoutMs: 300_001 }, /at most 300000/],
])('%s is refused before anything is asked', (_, options, message) => {
  expect(() => tei(options as TeiOptions)).toThrow(message)
})
