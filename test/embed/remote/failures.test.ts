import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { errorOf } from '../../../src/embed/remote/failures.ts'
import { goldenText } from '../../../src/embed/remote/identity.ts'
import { tei } from '../../../src/embed/remote/tei.ts'
import { fakeModel, startTei, teiOverloaded, vectorOf } from '../../support/embedding-servers/index.ts'
import type { Fault } from '../../support/embedding-servers/server.ts'
import { caught, eventually, never, opened, quick, recordingLogger, served } from './harness.ts'

async function openOne(given: Parameters<typeof startTei>[0] = {}) {
  const server = await served(startTei(given))
  const { logger, lines } = recordingLogger()
  const embedder = await opened(tei({ ...quick(), urls: server.url, logger }))
  return { server, embedder, lines }
}

const nulls = new Array(8).fill(null)
const page = '<!doctype html><title>Please sign in</title>'

describe('what passes is tried again, and costs no text', () => {
  test.each<[string, Fault]>([
    ['a connection that breaks', { kind: 'reset' }],
    ['half an answer', { kind: 'half' }],
    ['an HTML page', { kind: 'answer', status: 200, text: page }],
    ['an overloaded server', teiOverloaded],
    ['a failed inference', { kind: 'answer', status: 424, json: { error: 'CUDA error', error_type: 'Backend' } }],
    ['a gateway without a server', { kind: 'answer', status: 502, text: page }],
    ['a server that starts', { kind: 'answer', status: 503, json: { error: 'loading', error_type: 'Unhealthy' } }],
    [
      'a vector of another size',
      {
        kind: 'answer',
        status: 200,
        json: [
          [1, 0],
          [1, 0],
        ],
      },
    ],
    [
      'a vector of another model',
      {
        kind: 'answer',
        status: 200,
        json: [
          [1, 0, 0, 0, 0, 0, 0, 0],
          [1, 0, 0, 0, 0, 0, 0, 0],
        ],
      },
    ],
  ])('%s', async (_, fault) => {
    const { server, embedder } = await openOne()
    server.fail(fault, fault)

    const [vector] = await embedder.embed(['text'], never)

    expect(vector?.[0]).toBeCloseTo(vectorOf(server.model, 'text')[0] ?? 0)
  })
})

describe('what does not pass makes no text guilty: the callers may ask again', () => {
  test.each<[string, Fault, RegExp]>([
    ['half an answer', { kind: 'half' }, /the answer of the server has no JSON/],
    ['an HTML page', { kind: 'answer', status: 200, text: page }, /the answer of the server has no JSON/],
    ['other JSON', { kind: 'answer', status: 200, json: { ok: true } }, /has no list of vectors/],
    ['a redirect', { kind: 'answer', status: 302, headers: { location: '/login' } }, /does not answer like/],
    ['a page of an error', { kind: 'answer', status: 504, text: page }, /cannot embed now \(504: an HTML page\)/],
    ['a server that is always overloaded', teiOverloaded, /cannot embed now \(429: Model is overloaded\)/],
    ['a connection that breaks', { kind: 'reset' }, /does not answer/],
    [
      'a server that refuses everything',
      { kind: 'answer', status: 422, text: 'no' },
      /refuses the request \(422: no\)/,
    ],
    [
      'an answer without an end',
      { kind: 'answer', status: 200, text: `[${' '.repeat(17 * 1024 * 1024)}]` },
      /gives a longer answer than any should be: more than \d+ bytes/,
    ],
    ['a model that gives no numbers', { kind: 'answer', status: 200, json: [nulls, nulls] }, /no finite vector/],
    ['too few vectors', { kind: 'answer', status: 200, json: [] }, /no list of 2 vectors, but of 0/],
    [
      'vectors of another size',
      {
        kind: 'answer',
        status: 200,
        json: [
          [1, 0],
          [1, 0],
        ],
      },
      /2 dimensions came instead of 8/,
    ],
  ])('%s', async (_, fault, fact) => {
    const { server, embedder } = await openOne()
    server.standing = fault

    const errors = await Promise.all([caught(embedder.embed(['one'], never)), caught(embedder.embed(['two'], never))])

    for (const error of errors)
      expect(error).toMatchObject({ code: 'EMBED_FAILED', reaction: 'retry', fact: expect.stringMatching(fact) })
    expect(errors[0]).toMatchObject({ fact: expect.stringContaining(server.url) })
    server.standing = undefined
    await eventually(() => embedder.embed(['one'], never).catch(() => [])).toHaveLength(1)
  })
})

describe('a text that cannot be embedded fails alone', () => {
  test.each([
    ['no finite vector', 'NaN!', /gives no finite vector/],
    ['a vector of zeros', 'zero!', /a vector of zeros/],
    ['a server that crashes over it', 'crash!', /cannot embed now \(500: Internal Server Error\)/],
    ['a body that is too large', 'x'.repeat(2_500_000), /refuses the request \(413: Failed to buffer/],
  ])('%s', async (_, poison, fact) => {
    const { server, embedder } = await openOne({ crashesOver: (text) => text.includes('crash!') })
    const texts = Array.from({ length: 20 }, (_unused, at) => (at === 7 ? poison : `text ${at}`))

    const results = await Promise.allSettled(texts.map((text) => embedder.embed([text], never)))

    expect(results.flatMap(({ status }, at) => (status === 'rejected' ? [at] : []))).toEqual([7])
    expect(results[7]).toMatchObject({
      reason: { code: 'EMBED_TEXT', reaction: 'skip', fact: expect.stringMatching(fact) },
    })
    expect(JSON.stringify(results[7])).not.toContain('xxxxx')
    expect(await embedder.embed(['afterwards'], never)).toHaveLength(1)
    expect(server.batches.at(-1)).toEqual(['afterwards'])
  })

  test('is told apart from one that had bad luck once', async () => {
    const { server, embedder } = await openOne()
    const short: Fault = { kind: 'answer', status: 200, json: [vectorOf(fakeModel(), goldenText)] }
    const crash: Fault = { kind: 'answer', status: 500, text: 'Internal Server Error' }
    server.fail(short, crash)

    expect(await embedder.embed(['unlucky'], never)).toHaveLength(1)
  })

  test('an answer without the vector of one text costs only that text', async () => {
    const { server, embedder } = await openOne()
    server.fail({ kind: 'answer', status: 200, json: [vectorOf(fakeModel(), 'a'), vectorOf(fakeModel(), goldenText)] })

    const vectors = await embedder.embed(['a', 'b'], never)

    expect(vectors.map(([first]) => first?.toFixed(4))).toEqual(
      ['a', 'b'].map((text) => vectorOf(server.model, text)[0]?.toFixed(4)),
    )
    expect(server.batches).toEqual([['a', 'b'], ['a'], ['b']])
  })

  test('a server that makes one vector of a list cannot be opened, unless it gets no lists', async () => {
    const server = await served(startTei())
    server.standing = { kind: 'answer', status: 200, json: [vectorOf(fakeModel(), 'a')] }

    const error = await caught(opened(tei({ ...quick(), urls: server.url })))
    const embedder = await opened(tei({ ...quick(), urls: server.url, maxBatchTexts: 1 }))

    expect(error).toMatchObject({
      code: 'EMBED_FAILED',
      fact: expect.stringContaining('no list of 2 vectors, but of 1'),
    })
    expect(await embedder.embed(['a', 'b'], never)).toHaveLength(2)
  })
})

describe('a server that does not answer in time', () => {
  test('is checked, and its batch tried in smaller parts', async () => {
    const server = await served(startTei())
    const clock = new ManualClock()
    const embedder = await opened(tei({ urls: server.url, clock, random: () => 0 }))
    server.fail({ kind: 'hold' })
    const embedding = embedder.embed(['a', 'b'], never)
    await eventually(() => server.held).toBe(1)

    clock.advance(60_000)

    expect(await embedding).toHaveLength(2)
    expect(server.requests.slice(2).map(({ path, texts }) => [path, texts.length])).toEqual([
      ['/embed', 3],
      ['/info', 0],
      ['/embed', 2],
      ['/embed', 2],
      ['/embed', 2],
    ])
  })

  test('at all is left out, and the callers are told', async () => {
    const server = await served(startTei())
    const clock = new ManualClock()
    const embedder = await opened(tei({ urls: server.url, clock, requestTimeoutMs: 5_000 }))
    server.standing = { kind: 'hold' }
    const failing = caught(embedder.embed(['a', 'b'], never))

    await eventually(() => server.held).toBe(1)
    clock.advance(5_000)
    await eventually(() => server.held).toBe(2)
    clock.advance(5_000)

    expect(await failing).toMatchObject({
      code: 'EMBED_FAILED',
      fact: expect.stringMatching(/does not answer \(no answer within 5 s\)/),
    })
  })
})

test('pauses between attempts grow, with jitter, up to a limit of attempts', async () => {
  const { server, embedder, lines } = await openOne()
  server.standing = teiOverloaded

  await caught(embedder.embed(['text'], never))

  const pauses = lines.flatMap(({ facts }) => (typeof facts.delayMs === 'number' ? [facts.delayMs] : []))
  expect(pauses).toHaveLength(7)
  for (const [attempt, pause] of pauses.entries()) expect(pause).toBeLessThanOrEqual(100 * 2 ** attempt)
})

test('closing ends what is under way at once', async () => {
  const server = await served(startTei())
  const embedder = tei({ ...quick(), urls: server.url })
  await embedder.open()
  server.standing = { kind: 'hold' }
  const failing = caught(embedder.embed(['a'], never))
  await eventually(() => server.held).toBe(1)

  await embedder.close()

  expect(await failing).toMatchObject({ code: 'EMBED_FAILED', fact: 'the embedder was closed' })
})

test.each([
  ['retry-after-ms', '3600000'],
  ['retry-after', '3600'],
])('a server that asks for an hour by %s gets a minute', (name, value) => {
  const server = { who: 'the mill', missingModelFix: '', redact: (text: string) => text }

  const error = errorOf(server, { status: 429, text: 'busy', headers: new Headers({ [name]: value }) }, Date.now())

  expect(error).toMatchObject({ code: 'EMBED_FAILED', details: { retryAfterMs: 60_000 } })
})
