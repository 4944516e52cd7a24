import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/clock.ts'
import { BatchFormer } from '../../src/embed/batch-former.ts'
import { EmbeddingEngine } from '../../src/embed/engine.ts'
import { retrievalSet } from '../support/embed-fixtures.ts'
import { codesOf, encodeCharacters, FakeDevice, settle, vectorOf } from '../support/fake-device.ts'

const never = new AbortController().signal
const lengths = fc.array(fc.integer({ min: 2, max: 600 }), { maxLength: 400 })
const budget = fc.integer({ min: 1, max: 1_024 })
const window = fc.integer({ min: 1, max: 64 })

interface Item {
  readonly tokens: number
  readonly number: number
}

/** Runs all items through the window, as an idle device does that always comes back for more. */
function drain(tokens: readonly number[], options: { maxBatchTokens: number; windowTexts: number }): Item[][] {
  const former = new BatchFormer<Item>(new ManualClock(), options)
  const arriving = tokens.map((count, number) => ({ tokens: count, number }))
  const batches: Item[][] = []
  for (;;) {
    for (const item of arriving.splice(0, former.room)) former.add(item)
    const batch = former.takeForIdle(1)
    if (!batch) return batches
    batches.push([...batch.items])
  }
}

const paddedTokens = (batch: readonly Item[]) => batch.length * Math.max(...batch.map((item) => item.tokens))
const realTokens = (batch: readonly Item[]) => batch.reduce((sum, item) => sum + item.tokens, 0)

describe('batches', () => {
  test('hold every text exactly once', () => {
    fc.assert(
      fc.property(lengths, budget, window, (tokens, maxBatchTokens, windowTexts) => {
        const batches = drain(tokens, { maxBatchTokens, windowTexts })

        const numbers = batches.flatMap((batch) => batch.map((item) => item.number))
        expect(numbers.toSorted((a, b) => a - b)).toEqual(tokens.map((_, number) => number))
      }),
    )
  })

  test('are over the budget only when a single text is', () => {
    fc.assert(
      fc.property(lengths, budget, window, (tokens, maxBatchTokens, windowTexts) => {
        for (const batch of drain(tokens, { maxBatchTokens, windowTexts }))
          expect(batch.length === 1 || paddedTokens(batch) <= maxBatchTokens).toBe(true)
      }),
    )
  })

  test('always take the oldest text, so that none starves', () => {
    fc.assert(
      fc.property(lengths, budget, window, (tokens, maxBatchTokens, windowTexts) => {
        const waiting = new Set(tokens.keys())
        for (const batch of drain(tokens, { maxBatchTokens, windowTexts })) {
          expect(batch.some((item) => item.number === Math.min(...waiting))).toBe(true)
          for (const item of batch) waiting.delete(item.number)
        }
      }),
    )
  })

  test('of two in a row one has the oldest urgent text, and one the oldest of the others', () => {
    const texts = fc.array(fc.record({ tokens: fc.integer({ min: 2, max: 600 }), isUrgent: fc.boolean() }))
    fc.assert(
      fc.property(texts, budget, (items, maxBatchTokens) => {
        const former = new BatchFormer(new ManualClock(), { maxBatchTokens, windowTexts: items.length })
        for (const item of items) former.add(item)
        const take = () => former.takeForIdle(1)?.items ?? []

        for (let waiting = items; waiting.length > 0; ) {
          const oldest = [true, false].map((isUrgent) => waiting.find((item) => item.isUrgent === isUrgent))
          const taken = new Set([...take(), ...take()])
          expect(oldest.filter((item) => item && !taken.has(item))).toEqual([])
          waiting = waiting.filter((item) => !taken.has(item))
        }
      }),
    )
  })

  test('are at most 5 % padding when real passages pass a window of 256', () => {
    // Four characters make a token, near enough for a distribution of lengths; the model cuts at 256.
    const passages = retrievalSet().passages.map(({ text }) => Math.min(256, 2 + Math.ceil(text.length / 4)))

    fc.assert(
      fc.property(fc.shuffledSubarray(passages, { minLength: 1_000 }), (tokens) => {
        const batches = drain(tokens, { maxBatchTokens: 512, windowTexts: 256 })

        const padded = batches.reduce((sum, batch) => sum + paddedTokens(batch), 0)
        const real = batches.reduce((sum, batch) => sum + realTokens(batch), 0)
        expect(1 - real / padded).toBeLessThanOrEqual(0.05)
      }),
      { numRuns: 20 },
    )
  })
})

describe('the engine', () => {
  /** Few different texts, so that callers often ask for the same one. */
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 })
  const calls = fc.array(fc.array(text, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 })
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant('finish' as const) },
    { weight: 1, arbitrary: fc.constant('die' as const) },
  )

  type Step = 'finish' | 'die'

  /** Plays the steps on the devices in turn; one of them always lives. */
  async function play(devices: readonly FakeDevice[], steps: readonly Step[]): Promise<void> {
    for (const [at, action] of steps.entries()) {
      await settle()
      const device = devices[at % devices.length]
      const others = devices.filter((other) => other !== device && other.isUsable)
      if (action === 'finish') device?.finishNext()
      else if (others.length > 0) device?.die()
    }
  }

  async function finishAll(devices: readonly FakeDevice[]): Promise<void> {
    await settle()
    while (devices.some((device) => device.waiting.length > 0)) {
      for (const device of devices) device.finishNext()
      await settle()
    }
  }

  test('gives every caller the vectors of its own texts, in any order of calls, answers and deaths', async () => {
    await fc.assert(
      fc.asyncProperty(calls, fc.array(step, { maxLength: 40 }), async (texts, steps) => {
        const devices = [new FakeDevice(), new FakeDevice(), new FakeDevice()]
        const clock = new ManualClock()
        const small = { maxBatchTokens: 6, windowTexts: 5 }
        const engine = new EmbeddingEngine({ devices, encode: encodeCharacters, dimensions: 2, clock, ...small })

        const answers = texts.map((call) => engine.embed(call, never))
        await play(devices, steps)
        await finishAll(devices)

        const received = await Promise.all(answers)
        expect(received.map((vectors) => vectors.map((vector) => [...vector]))).toEqual(
          texts.map((call) => call.map((asked) => vectorOf(codesOf(asked)))),
        )
        expect(engine.stats.texts).toBe(texts.flat().length)
        engine.close()
      }),
      { numRuns: 150 },
    )
  })
})
