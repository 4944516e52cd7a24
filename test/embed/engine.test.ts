import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import type { Encode } from '../../src/embed/engine.ts'
import { closeEngines, engineWith } from '../support/engines.ts'
import { codesOf, encodeCharacters, FakeDevice, settle } from '../support/fake-device.ts'

const never = new AbortController().signal

afterEach(closeEngines)

describe('texts', () => {
  test('of several callers share a batch and come back to their own caller', async () => {
    const device = new FakeDevice({ automatic: true })
    const { engine } = engineWith([device])

    const [first, second] = await Promise.all([engine.embed(['a', 'bb'], never), engine.embed(['ccc'], never)])

    expect(device.batches).toEqual([['a', 'bb', 'ccc']])
    expect(first.map((vector) => [...vector])).toEqual([
      [97, 1],
      [196, 2],
    ])
    expect(second.map((vector) => [...vector])).toEqual([[297, 3]])
  })

  test('that are equal run once, also when one of them is already running', async () => {
    const device = new FakeDevice()
    const { engine } = engineWith([device])
    const first = engine.embed(['same', 'same'], never)
    await settle()

    const second = engine.embed(['same'], never)
    await settle()
    device.finishNext()

    expect(await first).toEqual([...(await second), ...(await second)])
    expect(device.batches).toEqual([['same']])
    expect(engine.stats).toMatchObject({ texts: 3, sharedTexts: 2, tokens: 4, batches: 1 })
  })

  test('are told of the batch that they had part in, the same to all of their callers, before there are vectors', async () => {
    const device = new FakeDevice()
    const { engine, clock } = engineWith([device])
    const told: unknown[] = []
    const onBatch = (batch: unknown) => told.push(batch)
    const asked = [engine.embed(['a', 'bb'], never, { onBatch }), engine.embed(['ccc'], never, { onBatch })]
    const answered = asked.map((answer) => answer.then(() => told.push('vectors')))
    await settle()
    const startedAt = clock.now()
    clock.advance(30)

    device.finishNext()
    await Promise.all(answered)

    expect(told).toEqual([told[0], told[0], 'vectors', 'vectors'])
    expect(told[0]).toBe(told[1])
    expect(told[0]).toEqual({
      ...{ startedAt, endedAt: startedAt + 30, counts: { texts: 3, tokens: 6 } },
      ...{ reason: 'idle_device', waitedMs: 0 },
    })
  })

  test.each<[string, Encode]>([
    ['here', encodeCharacters],
    ['in another thread', async (texts) => encodeCharacters(texts)],
  ])('are told how long it took to tokenize them together, %s', async (_where, tokenize) => {
    const encode: Encode = (texts) => {
      clock.advance(3)
      return tokenize(texts)
    }
    const { engine, clock } = engineWith([new FakeDevice({ automatic: true })], { encode })
    const told: unknown[] = []
    const onTokenized = (work: unknown) => told.push(work)

    await Promise.all([
      engine.embed(['a', 'bb'], never, { onTokenized }),
      engine.embed(['bb', 'ccc'], never, { onTokenized }),
    ])

    expect(told[0]).toBe(told[1])
    expect(told).toEqual([told[0], { step: 'tokenize', startedAt: 0, endedAt: 3, counts: { texts: 3, tokens: 6 } }])
  })

  test('that were cut are told to each of their callers, by place', async () => {
    const device = new FakeDevice({ automatic: true })
    const encode: Encode = (texts) =>
      texts.map((text) => ({ ids: codesOf(text.slice(0, 3)), truncated: text.length > 3 }))
    const { engine } = engineWith([device], { encode })
    const [first, second]: [number[], number[]] = [[], []]

    await Promise.all([
      engine.embed(['short', 'ok'], never, { onTruncated: (at) => first.push(at) }),
      engine.embed(['ok', 'mills', 'short'], never, { onTruncated: (at) => second.push(at) }),
    ])

    expect([first, second.toSorted()]).toEqual([[0], [1, 2]])
    expect(engine.stats.truncatedTexts).toBe(2)
  })

  test('run again when the vector has been handed out', async () => {
    const device = new FakeDevice({ automatic: true })
    const { engine } = engineWith([device])

    await engine.embed(['same'], never)
    await engine.embed(['same'], never)

    expect(device.batches).toEqual([['same'], ['same']])
  })

  test('each get memory of their own', async () => {
    const { engine } = engineWith([new FakeDevice({ automatic: true })])

    const vectors = await engine.embed(['a', 'b'], never)

    expect(vectors.map((vector) => vector.buffer.byteLength)).toEqual([8, 8])
  })

  test('none give none, without a device', async () => {
    const { engine } = engineWith([])

    expect(await engine.embed([], never)).toEqual([])
  })

  test('wait outside the window until there is room', async () => {
    const device = new FakeDevice()
    let encoded = 0
    const encode: Encode = (texts) => {
      encoded += texts.length
      return encodeCharacters(texts)
    }
    const { engine } = engineWith([device], { encode })
    const texts = Array.from({ length: 5_000 }, (_, at) => `${at}`.padStart(100, '.'))

    const pending = engine.embed(texts, never).catch(() => 'closed')
    await settle()

    expect(encoded).toBeLessThanOrEqual(256 + 2 * 5)
    engine.close()
    expect(await pending).toBe('closed')
  })

  test('are tokenized in slices, between which the event loop turns', async () => {
    const sizes: number[] = []
    const encode: Encode = (texts) => {
      sizes.push(texts.join('').length)
      return texts.map(() => ({ ids: Int32Array.of(1), truncated: false }))
    }
    const { engine } = engineWith([new FakeDevice({ automatic: true })], { encode })
    const texts = Array.from({ length: 20 }, (_, at) => `${at}`.padEnd(10_000))

    await engine.embed(texts, never)

    expect(sizes).toEqual([40_000, 40_000, 40_000, 40_000, 40_000])
  })

  test('wait outside the window also while others are tokenized in another thread', async () => {
    let encoding = 0
    const encode: Encode = (texts) => {
      encoding += texts.length
      return new Promise(() => undefined)
    }
    const { engine } = engineWith([new FakeDevice()], { encode })
    const calls: Promise<unknown>[] = []

    for (let call = 0; call < 4; call++) {
      const texts = Array.from({ length: 200 }, (_, at) => `${call} ${at}`)
      calls.push(engine.embed(texts, never).catch(() => 'closed'))
      await settle()
    }

    expect(encoding).toBe(256)
    engine.close()
    expect(await Promise.all(calls)).toEqual(['closed', 'closed', 'closed', 'closed'])
  })

  test('may be tokenized in another thread', async () => {
    const encode: Encode = async (texts) => {
      await settle()
      return encodeCharacters(texts)
    }
    const device = new FakeDevice({ automatic: true })
    const { engine } = engineWith([device], { encode })
    const texts = Array.from({ length: 1_000 }, (_, at) => `${at}`)

    const vectors = await engine.embed(texts, never)

    expect(vectors.map((vector) => vector[1])).toEqual(texts.map((text) => text.length))
  })
})

describe('a caller that gives up', () => {
  test('is told at once, and its waiting texts are not run', async () => {
    const device = new FakeDevice()
    const { engine } = engineWith([device], { maxBatchTokens: 10 })
    const running = [engine.embed(['0123456789'], never), engine.embed(['9876543210'], never)]
    await settle()
    const given = new AbortController()
    const waiting = engine.embed(['unwanted..', 'wanted....'], given.signal)
    const other = engine.embed(['wanted....'], never)
    await settle()

    given.abort('enough')

    await expect(waiting).rejects.toBe('enough')
    for (let batch = 0; batch < 3; batch++) {
      device.finishNext()
      await settle()
    }
    await Promise.all([...running, other])
    expect(device.batches.flat()).toEqual(['0123456789', '9876543210', 'wanted....'])
  })

  test('never leaves nothing behind on a signal that lives on', async () => {
    const { engine } = engineWith([new FakeDevice({ automatic: true })])
    const { signal } = new AbortController()

    await engine.embed(['a', 'b'], signal)

    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('before it asks gets its own reason', async () => {
    const { engine } = engineWith([new FakeDevice()])

    await expect(engine.embed(['a'], AbortSignal.abort('too late'))).rejects.toBe('too late')
  })

  test('may ask again for a text that is still running', async () => {
    const device = new FakeDevice()
    const { engine } = engineWith([device])
    const given = new AbortController()
    const first = engine.embed(['again'], given.signal)
    await settle()
    given.abort('enough')
    await expect(first).rejects.toBe('enough')

    const second = engine.embed(['again'], never)
    await settle()
    device.finishNext()

    expect(await second).toHaveLength(1)
    expect(device.batches).toEqual([['again']])
  })
})

describe('a device', () => {
  /** The second call comes when the first is on the device already. */
  async function twoCallsAt(device: FakeDevice) {
    const { engine, clock } = engineWith([device])
    const calls = [engine.embed(['first'], never)]
    await settle()
    calls.push(engine.embed(['second'], never))
    await settle()
    return { calls, clock }
  }

  test('that is busy gets the next batch when the texts have waited long enough', async () => {
    const device = new FakeDevice()
    const { calls, clock } = await twoCallsAt(device)
    expect(device.batches).toEqual([['first']])

    clock.advance(20)

    expect(device.batches).toEqual([['first'], ['second']])
    device.finishNext()
    device.finishNext()
    await Promise.all(calls)
  })

  test('that is busy gets it also when the alarm came before its time', async () => {
    const device = new FakeDevice()
    const { calls, clock } = await twoCallsAt(device)

    clock.set(-1)
    clock.advance(20)
    clock.advance(1)

    expect(device.batches).toEqual([['first'], ['second']])
    device.finishNext()
    device.finishNext()
    await Promise.all(calls)
  })

  test('has no more than two batches at a time', async () => {
    const device = new FakeDevice()
    const { engine } = engineWith([device], { maxBatchTokens: 10 })
    const call = engine.embed(['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'], never)

    await settle()

    expect(device.waiting).toHaveLength(2)
    device.finishNext()
    await settle()
    expect(device.waiting).toHaveLength(2)
    device.finishNext()
    device.finishNext()
    expect(await call).toHaveLength(3)
  })

  test('that is given up leaves its batches to the others', async () => {
    const dying = new FakeDevice()
    const healthy = new FakeDevice()
    const { engine } = engineWith([dying, healthy], { maxBatchTokens: 10 })
    const call = engine.embed(['aaaaaaaaaa', 'bbbbbbbbbb'], never)
    await settle()

    dying.die()
    await settle()
    healthy.finishNext()
    healthy.finishNext()

    expect(await call).toHaveLength(2)
    expect(dying.batches).toHaveLength(1)
    expect(healthy.batches).toHaveLength(2)
  })

  test('that was the last one fails all callers, and is opened again for the next', async () => {
    const device = new FakeDevice()
    const { engine } = engineWith([device], { maxBatchTokens: 10 })
    const calls = [engine.embed(['running...'], never), engine.embed(['queued....', 'waiting...'], never)]
    await settle()

    device.die()

    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'EMBED_FAILED' })
    const again = engine.embed(['running...'], never)
    await settle()
    device.finishNext()
    expect(await again).toHaveLength(1)
    expect(device.opened).toBe(1)
  })

  test('that cannot be opened again says why', async () => {
    const device = new FakeDevice()
    device.isUsable = false
    device.open = () => Promise.reject(new RangeError('out of memory'))
    const { engine } = engineWith([device])

    await expect(engine.embed(['a'], never)).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'no device can be started: out of memory',
    })
  })
})

test('closing fails those who wait, and refuses those who come', async () => {
  const { engine } = engineWith([new FakeDevice()])
  const waiting = engine.embed(['a'], never)
  await settle()

  engine.close()

  await expect(waiting).rejects.toMatchObject({ code: 'EMBED_FAILED' })
  await expect(engine.embed(['a'], never)).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
})

test('the call that has waited longest says how long, the next one when that is answered, and all of them how many texts', async () => {
  const device = new FakeDevice()
  const { engine, clock } = engineWith([device])
  const waits = () => [engine.stats.oldestWaitMs, engine.stats.waitingTexts]

  const first = engine.embed(['a', 'a', 'aa'], never)
  await settle()
  clock.advance(30)
  const second = engine.embed(['b'], never)
  await settle()
  clock.advance(20)
  await settle()
  expect(waits()).toEqual([50, 4])
  device.finishNext()
  await first
  expect(waits()).toEqual([20, 1])
  device.finishNext()
  await second

  expect(waits()).toEqual([0, 0])
})

test('padding is counted', async () => {
  const { engine } = engineWith([new FakeDevice({ automatic: true })])

  await engine.embed(['a'.repeat(8), 'b'.repeat(16)], never)

  expect(engine.stats).toMatchObject({ tokens: 24, batches: 1, paddingRatio: 0.25, truncatedTexts: 0 })
})
