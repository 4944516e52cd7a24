import { afterEach, describe, expect, test } from 'vitest'
import type { Encode } from '../../src/embed/engine.ts'
import { closeEngines, engineWith } from '../support/engines.ts'
import { codesOf, encodeCharacters, FakeDevice, settle } from '../support/fake-device.ts'

const never = new AbortController().signal

afterEach(closeEngines)

describe('while a device is being opened', () => {
  function engineThatWaits() {
    const device = new FakeDevice()
    device.isUsable = false
    device.open = () => new Promise(() => undefined)
    return engineWith([device])
  }

  test('a caller that gives up is told at once', async () => {
    const { engine } = engineThatWaits()
    const given = new AbortController()
    const waiting = engine.embed(['a'], given.signal)

    given.abort('enough')

    await expect(waiting).rejects.toBe('enough')
  })

  test('closing fails those who wait at once', async () => {
    const { engine } = engineThatWaits()
    const waiting = engine.embed(['a'], never)

    engine.close()

    await expect(waiting).rejects.toMatchObject({ code: 'EMBED_FAILED', fact: 'the embedder was closed' })
  })

  test('all callers wait for the same opening', async () => {
    const device = new FakeDevice({ automatic: true })
    device.isUsable = false
    const { engine } = engineWith([device])

    const calls = await Promise.all([engine.embed(['a'], never), engine.embed(['b'], never)])

    expect(calls.flat()).toHaveLength(2)
    expect(device.opened).toBe(1)
  })

  test('a caller that asks again as soon as it fails gets another attempt', async () => {
    const device = new FakeDevice({ automatic: true })
    device.isUsable = false
    const { engine } = engineWith([device])
    const open = device.open.bind(device)
    device.open = () => {
      device.open = open
      return Promise.reject(new RangeError('out of memory'))
    }

    const vectors = await engine.embed(['a'], never).catch(() => engine.embed(['a'], never))

    expect(vectors).toHaveLength(1)
  })

  test('also texts wait whose only device was given up while they were tokenized', async () => {
    const encoding = Promise.withResolvers<void>()
    const encode: Encode = async (texts) => {
      await encoding.promise
      return encodeCharacters(texts)
    }
    const device = new FakeDevice({ automatic: true })
    const { engine } = engineWith([device], { encode })
    const call = engine.embed(['a'], never)
    await settle()

    device.die()
    encoding.resolve()

    expect(await call).toHaveLength(1)
    expect(device.opened).toBe(1)
  })
})

describe('a device that was given up while another one works', () => {
  async function engineWithAbsent(opens: boolean) {
    const [working, absent] = [new FakeDevice({ automatic: true }), new FakeDevice({ automatic: true })]
    if (!opens)
      absent.open = async () => {
        absent.opened++
        throw new RangeError('out of memory')
      }
    const { engine, clock } = engineWith([working, absent])
    absent.isUsable = false
    const embedAfter = async (ms: number) => {
      clock.advance(ms)
      await engine.embed(['a'], never)
      await settle()
      return absent.opened
    }
    return { absent, embedAfter }
  }

  test('is opened again by a call a second later, and works', async () => {
    const { absent, embedAfter } = await engineWithAbsent(true)

    expect([await embedAfter(0), await embedAfter(999), await embedAfter(1)]).toEqual([0, 0, 1])
    expect(absent.isUsable).toBe(true)
  })

  test('is tried less and less often when it does not come back', async () => {
    const { embedAfter } = await engineWithAbsent(false)
    await embedAfter(0)
    let calls = 0
    for (let seconds = 0; seconds < 600; seconds++) calls = await embedAfter(1_000)

    expect(calls).toBeGreaterThan(10)
    expect(calls).toBeLessThan(17)
  })

  test('is tried less often when it comes back only to be given up, and soon again when it has worked for long', async () => {
    const { absent, embedAfter } = await engineWithAbsent(true)
    await embedAfter(0)
    await embedAfter(1_000)

    absent.isUsable = false
    expect([await embedAfter(0), await embedAfter(1_999), await embedAfter(1)]).toEqual([1, 1, 2])
    await embedAfter(61_000)
    absent.isUsable = false
    expect([await embedAfter(0), await embedAfter(999), await embedAfter(1)]).toEqual([2, 2, 3])
  })
})

test('a device that comes back by itself is used while the others are busy, without another call', async () => {
  const busy = new FakeDevice()
  const absent = new FakeDevice({ automatic: true })
  absent.isUsable = false
  const { engine, clock } = engineWith([busy, absent], { maxBatchTokens: 10 })
  const call = engine.embed(['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'], never)
  await settle()
  clock.advance(20)
  expect(busy.batches).toHaveLength(2)

  absent.isUsable = true
  clock.advance(1_000)

  expect(absent.batches).toEqual([['cccccccccc']])
  busy.finishNext()
  busy.finishNext()
  expect(await call).toHaveLength(3)
})

describe('a text that the device refuses', () => {
  test('fails the callers that wanted it; those that shared its batch get their vectors', async () => {
    const device = new FakeDevice({ automatic: true, refuses: (text) => text.includes('!') })
    const { engine } = engineWith([device])

    const poison = engine.embed(['good', 'bad!'], never)
    const innocent = engine.embed(['good', 'fine'], never)

    await expect(poison).rejects.toMatchObject({
      code: 'EMBED_TEXT',
      reaction: 'skip',
      fact: 'a text of 4 tokens cannot be embedded: refused (texts[1])',
      details: { text: 1 },
    })
    expect(await innocent).toHaveLength(2)
    expect(device.batches).toEqual([['good', 'bad!', 'fine'], ['good'], ['bad!'], ['.'], ['fine']])
    expect(await engine.embed(['after'], never)).toHaveLength(1)
  })

  test('is named by its place in each call that has it, and by nothing where it is the only one', async () => {
    const { engine } = engineWith([new FakeDevice({ automatic: true, refuses: (text) => text.includes('!') })])

    const calls = [['bad!'], ['good', 'bad!'], ['good', 'fine', 'bad!', 'bad!']].map((texts) =>
      engine.embed(texts, never),
    )

    const refusals = await Promise.all(calls.map((call) => call.catch(({ fact, details }) => [fact, details.text])))
    expect(refusals).toEqual([
      ['a text of 4 tokens cannot be embedded: refused', 0],
      ['a text of 4 tokens cannot be embedded: refused (texts[1])', 1],
      ['a text of 4 tokens cannot be embedded: refused (texts[2])', 2],
    ])
  })

  test('is not tried again when it was alone', async () => {
    const device = new FakeDevice({ automatic: true, refuses: (text) => text.includes('!') })
    const { engine } = engineWith([device])

    await expect(engine.embed(['bad!'], never)).rejects.toMatchObject({ code: 'EMBED_TEXT' })

    expect(device.batches).toEqual([['bad!'], ['.']])
  })

  test('is not at fault when the device refuses everything', async () => {
    const { engine } = engineWith([new FakeDevice({ automatic: true, refuses: () => true })])

    const calls = [engine.embed(['one'], never), engine.embed(['two'], never)]

    for (const call of calls)
      await expect(call).rejects.toMatchObject({ code: 'EMBED_FAILED', reaction: 'retry', fact: 'refused' })
  })

  test('leaves the rest of its batch to another device when this one dies over it', async () => {
    const dying = new FakeDevice()
    const healthy = new FakeDevice({ automatic: true })
    healthy.isUsable = false
    const { engine } = engineWith([dying, healthy])
    const call = engine.embed(['one', 'two'], never)
    await settle()

    dying.refuseNext('too hot')
    await settle()
    healthy.isUsable = true
    dying.die()

    expect(await call).toHaveLength(2)
    expect(healthy.batches).toEqual([['one', 'two']])
  })

  test('is not run again for callers that have gone', async () => {
    const device = new FakeDevice()
    const { engine } = engineWith([device])
    const given = new AbortController()
    const gone = engine.embed(['one', 'two'], given.signal)
    await settle()
    given.abort('enough')
    await expect(gone).rejects.toBe('enough')

    device.refuseNext('too hot')
    await settle()

    expect(device.batches).toEqual([['one', 'two']])
  })

  test('by the tokenizer already fails alone as well', async () => {
    const encode: Encode = async (texts) => {
      if (texts.some((text) => text.includes('!'))) throw new RangeError('no such token')
      return encodeCharacters(texts)
    }
    const { engine } = engineWith([new FakeDevice({ automatic: true })], { encode })

    const poison = engine.embed(['good', 'bad!'], never)
    const innocent = engine.embed(['good', 'fine'], never)

    await expect(poison).rejects.toMatchObject({
      code: 'EMBED_TEXT',
      fact: 'a text of 4 characters cannot be embedded: no such token (texts[1])',
    })
    expect(await innocent).toHaveLength(2)
  })
})

test('a text without a finite vector fails the callers that wanted it, and nobody else', async () => {
  const device = new FakeDevice()
  device.run = async (rows) => Float32Array.from(rows.flatMap((row) => [row[0] === 33 ? Number.NaN : 1, 0]))
  const { engine } = engineWith([device])

  const poison = engine.embed(['good', '!bad'], never)
  const healthy = engine.embed(['good'], never)

  await expect(poison).rejects.toMatchObject({ code: 'EMBED_TEXT', reaction: 'skip' })
  expect(await healthy).toHaveLength(1)
})

test('no text is at fault when even a harmless one gets no usable vector', async () => {
  const device = new FakeDevice()
  device.run = async (rows) => new Float32Array(2 * rows.length).fill(Number.NaN)
  const { engine } = engineWith([device])

  await expect(engine.embed(['good', 'fine'], never)).rejects.toMatchObject({
    code: 'EMBED_FAILED',
    reaction: 'retry',
    fact: 'the model gives no usable vector: not finite, or zeros alone',
  })
})

test('a caller whose onTruncated throws hears of it, and those who share its texts do not', async () => {
  const device = new FakeDevice({ automatic: true })
  const encode: Encode = (texts) =>
    texts.map((text) => ({ ids: codesOf(text.slice(0, 3)), truncated: text.length > 3 }))
  const { engine } = engineWith([device], { encode })
  const onTruncated = () => {
    throw new RangeError('no room for notes')
  }

  const throwing = engine.embed(['a', 'long text'], never, { onTruncated })
  const other = engine.embed(['a', 'b', 'long text'], never)

  await expect(throwing).rejects.toThrow('no room for notes')
  expect((await other).map((vector) => vector[1])).toEqual([1, 1, 3])
  expect(device.batches).toHaveLength(1)
})
