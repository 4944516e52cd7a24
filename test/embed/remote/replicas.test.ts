import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { goldenText } from '../../../src/embed/remote/identity.ts'
import { tei } from '../../../src/embed/remote/tei.ts'
import { type FakeEmbeddingServer, fakeModel, startTei, vectorOf } from '../../support/embedding-servers/index.ts'
import { FastClock } from '../../support/fast-clock.ts'
import { caught, eventually, never, opened, quick, recordingLogger, served } from './harness.ts'

const start = () => served(startTei({ maxClientBatchSize: 4 }))
const urlsOf = (...servers: readonly FakeEmbeddingServer[]) => servers.map(({ url }) => url)
const textsTo = (count: number) => Array.from({ length: count }, (_, at) => `text ${at}`)
const roundedFirst = (vectors: readonly ArrayLike<number>[]) => vectors.map((vector) => vector[0]?.toFixed(5))

function expectVectors(vectors: readonly Float32Array[], texts: readonly string[]): void {
  expect(roundedFirst(vectors)).toEqual(roundedFirst(texts.map((text) => vectorOf(fakeModel(), text))))
}

describe('several servers', () => {
  test('share the work, the least busy first', async () => {
    const [one, two] = [await start(), await start()]
    const embedder = await opened(tei({ ...quick(), urls: urlsOf(one, two), maxConcurrentRequests: 2 }))
    one.standing = { kind: 'hold' }
    two.standing = { kind: 'hold' }

    const embedding = embedder.embed(textsTo(100), never)
    await eventually(() => [one.held, two.held]).toEqual([2, 2])
    one.standing = undefined
    two.standing = undefined
    one.release()
    two.release()

    expectVectors(await embedding, textsTo(100))
  })

  test('are opened when one of them answers; the other joins when it does', async () => {
    const [one, two] = [await start(), await start()]
    await two.stop()
    const { logger, lines } = recordingLogger()
    const embedder = await opened(tei({ ...quick(), urls: urlsOf(one, two), logger }))
    expectVectors(await embedder.embed(textsTo(3), never), textsTo(3))

    await two.start()

    await eventually(() => lines.map(({ sentence }) => sentence)).toContain('the embedding server is in use again')
    await one.stop()
    expectVectors(await embedder.embed(textsTo(3), never), textsTo(3))
  })

  test('lose no text when one of them dies in the middle', async () => {
    const [one, two] = [await start(), await start()]
    const embedder = await opened(tei({ ...quick(), urls: urlsOf(one, two) }))
    one.standing = { kind: 'hold' }
    const embedding = embedder.embed(textsTo(60), never)
    await eventually(() => one.held).toBeGreaterThan(0)

    await one.stop()

    expectVectors(await embedding, textsTo(60))
  })

  test('that are all gone fail the callers, who may ask again', async () => {
    const [one, two] = [await start(), await start()]
    const embedder = await opened(tei({ ...quick(), urls: urlsOf(one, two) }))
    await Promise.all([one.stop(), two.stop()])

    const errors = await Promise.all([
      caught(embedder.embed(textsTo(10), never)),
      caught(embedder.embed(['other'], never)),
    ])
    await Promise.all([one.start(), two.start()])

    for (const error of errors)
      expect(error).toMatchObject({
        code: 'EMBED_FAILED',
        reaction: 'retry',
        fact: expect.stringMatching(/TEI at http:\/\/127.0.0.1:\d+ does not answer/),
      })
    await eventually(() => embedder.embed(['again'], never).catch(() => [])).toHaveLength(1)
  })

  test('are not opened when one of them wants another key: nobody else will mend that', async () => {
    const [one, two] = [await start(), await start()]
    two.apiKey = 'another'

    await expect(opened(tei({ ...quick(), urls: urlsOf(one, two), apiKey: 'k-1' }))).rejects.toMatchObject({
      code: 'EMBED_DENIED',
      fact: `TEI at ${two.url} refuses access (401)`,
    })
  })

  test('of which none answers cannot be opened', async () => {
    const server = await start()
    await server.stop()

    await expect(opened(tei({ ...quick(), urls: server.url }))).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: expect.stringContaining('does not answer (connect ECONNREFUSED'),
    })
  })
})

describe('a server that is left out', () => {
  test('stays away for longer each time, and for a second again once it was back', async () => {
    const server = await start()
    const { logger, lines } = recordingLogger()
    const embedder = await opened(tei({ ...quick(), urls: server.url, logger, random: () => 1 }))
    const absences = () => lines.flatMap(({ facts }) => facts.absenceMs ?? [])
    const gone = { kind: 'answer', status: 502, text: '' } as const
    server.standing = gone
    await caught(embedder.embed(['text'], never))
    await eventually(() => absences().slice(0, 3)).toEqual([1_000, 2_000, 4_000])
    server.standing = undefined
    await eventually(() => lines.map(({ sentence }) => sentence)).toContain('the embedding server is in use again')
    const before = absences().length

    server.standing = gone
    await caught(embedder.embed(['text'], never))

    expect(absences()[before]).toBe(1_000)
  })

  test('is not asked before its pause is over, and is asked who it is first', async () => {
    const server = await start()
    const clock = new ManualClock()
    const embedder = await opened(tei({ urls: server.url, clock, random: () => 0 }))
    await server.stop()
    let error: unknown
    void embedder.embed(['first'], never).catch((reason: unknown) => {
      error = reason
    })
    const afterPauses = () => {
      // Without jitter pauses have no length.
      clock.advance(0)
      return error
    }
    await eventually(afterPauses).toMatchObject({ code: 'EMBED_FAILED' })
    await server.start()
    const before = server.requests.length

    const tooEarly = await caught(embedder.embed(['second'], never))
    const askedEarly = server.requests.length - before
    clock.advance(1_000)
    await eventually(() => server.requests.length - before).toBe(2)
    const paths = server.requests.slice(before).map(({ path }) => path)

    expect(tooEarly).toMatchObject({ code: 'EMBED_FAILED' })
    expect(askedEarly).toBe(0)
    expect(paths).toEqual(['/info', '/embed'])
    await eventually(() => embedder.embed(['third'], never).catch(() => [])).toHaveLength(1)
  })

  test('holds no timer when the embedder is closed', async () => {
    const server = await start()
    const clock = new FastClock(100)
    const embedder = tei({ ...quick(), urls: server.url, clock })
    await embedder.open()
    await server.stop()
    await caught(embedder.embed(['first'], never))

    await embedder.close()

    expect(clock.pending).toBe(0)
  })
})

describe('servers with different models', () => {
  test.each([
    [
      'another name',
      { name: 'mill/embedder-large' },
      /serves model "mill\/embedder-large", not "mill\/embedder-small"/,
    ],
    ['another commit', { revision: 'ffff' }, /serves revision ffff of the model, not 5c38ec/],
    ['another limit', { maxTokens: 128 }, /takes 128 tokens of a text, not 512/],
    ['other dimensions', { dimensions: 12 }, /gives 12 dimensions, not 8/],
    ['other weights', { seed: 'other' }, /gives another vector for the same text: cosine -?0\.\d+/],
  ])('are refused at the start: %s', async (_, difference, fact) => {
    const other = await served(startTei({ model: fakeModel(difference) }))
    const one = await start()

    await expect(opened(tei({ ...quick(), urls: urlsOf(one, other) }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fact: expect.stringMatching(fact),
    })
  })

  test('are told apart from the same model in another precision', async () => {
    const [one, two] = [await start(), await start()]
    const half = vectorOf(fakeModel(), goldenText).map((value) => Math.round(value * 128) / 128)
    two.fail({ kind: 'answer', status: 200, json: [half, half] })

    await expect(opened(tei({ ...quick(), urls: urlsOf(one, two) }))).resolves.toBeDefined()
  })

  test('never meet later: a server that comes back with another is left out until it has the first again', async () => {
    const [one, two] = [await start(), await start()]
    const { logger, lines } = recordingLogger()
    const embedder = await opened(tei({ ...quick(), urls: urlsOf(one, two), logger }))
    await two.stop()
    two.model = fakeModel({ revision: 'ffff', seed: 'other' })
    await two.start()

    for (let round = 0; round < 5; round++) {
      const texts = textsTo(40).map((text) => `${text}, round ${round}`)
      expectVectors(await embedder.embed(texts, never), texts)
    }
    await eventually(() => lines.map(({ facts }) => facts.error)).toContainEqual(
      expect.stringContaining('is not the model that was opened: it serves revision ffff'),
    )
    two.model = fakeModel()
    await eventually(() => lines.map(({ sentence }) => sentence)).toContain('the embedding server is in use again')
  })
})
