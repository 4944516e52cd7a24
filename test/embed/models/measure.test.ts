import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { Embedder } from '../../../src/embed/embedder.ts'
import { hash } from '../../../src/embed/hash.ts'
import { type Measurement, measure } from '../../../src/embed/models/measure.ts'
import { type Constraints, type OptimizeOptions, optimizeForConstraints } from '../../../src/embed/models/optimize.ts'
import { sampleTexts } from '../../../src/embed/models/sample-texts.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { writeTinyModel } from '../../support/tiny-model.ts'

const signal = new AbortController().signal

/** An embedder that takes 2 ms for each text, on a clock turned by hand. */
function steadyEmbedder(clock: ManualClock) {
  const original = hash({ dimensions: 8 })
  const calls = { open: 0, close: 0 }
  const embedder: Embedder = Object.defineProperties(
    {
      ...original,
      async open() {
        calls.open++
      },
      async close() {
        calls.close++
      },
      async embed(texts, given) {
        clock.advance(2 * texts.length)
        return original.embed(texts, given)
      },
    } satisfies Embedder,
    { stats: { get: () => original.stats } },
  )
  return { embedder, calls }
}

describe('a measurement', () => {
  test('tells rates, latency and memory, and closes what it opened', async () => {
    const clock = new ManualClock()
    const { embedder, calls } = steadyEmbedder(clock)

    const measurement = await measure(
      { workers: 1, maxBatchTokens: 512, mode: 'exact' },
      { make: () => embedder, clock, signal, residentBytes: () => 300 * 2 ** 20 },
    )

    expect(measurement.textsPerSecond).toBeCloseTo(500, 6)
    expect(measurement).toMatchObject({ workers: 1, latencyMs: { p50: 2, p95: 2 }, memoryMb: 300 })
    expect(calls).toEqual({ open: 1, close: 1 })
  })

  test('does not count texts that were answered by the run of an equal one', async () => {
    const clock = new ManualClock()
    const { embedder } = steadyEmbedder(clock)
    const sharing: Embedder = Object.defineProperties(
      { ...embedder },
      {
        stats: { get: () => ({ ...embedder.stats, sharedTexts: embedder.stats.texts / 2 }) },
      },
    )

    const { textsPerSecond } = await measure({}, { make: () => sharing, clock, signal })

    expect(textsPerSecond).toBeCloseTo(250, 6)
  })

  test('without texts is refused', async () => {
    const clock = new ManualClock()

    await expect(measure({}, { make: () => hash(), texts: [], clock, signal })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })

  test('uses texts of which no two are equal: equal ones would be embedded once', () => {
    expect(new Set(sampleTexts(500)).size).toBe(500)
  })
})

describe('settings for constraints', () => {
  /** A machine whose workers give 100 texts a second, take 50 MiB and slow single texts down by 2 ms each; `fast` is half as fast again; 512 tokens suit it best. */
  const machine = async ({
    workers,
    maxBatchTokens,
    mode,
  }: Required<Pick<Measurement, 'workers' | 'maxBatchTokens' | 'mode'>>) => {
    const suits = maxBatchTokens === 512 ? 1 : 0.9
    const speed = mode === 'fast' ? 1.5 : 1
    return {
      ...{ workers, maxBatchTokens, mode },
      textsPerSecond: 100 * workers * suits * speed,
      tokensPerSecond: 6_000 * workers * suits * speed,
      latencyMs: { p50: 10 / speed, p95: 12 / speed + 2 * (workers - 1) },
      memoryMb: 100 + 50 * workers,
    }
  }
  const optimize = (constraints: Constraints, modes: ('exact' | 'fast')[] = ['exact', 'fast']) =>
    optimizeForConstraints(constraints, { model: 'any', maxWorkers: 6, modes, measureCandidate: machine })

  test.each<[string, Constraints, object]>([
    ['nothing is asked for: the fastest', {}, { workers: 6, maxBatchTokens: 512, mode: 'exact' }],
    ['a target: the fewest workers that reach it', { targetPerSecond: 150 }, { workers: 2, mode: 'exact' }],
    ['a memory bound: what fits', { maxMemoryMb: 220 }, { workers: 2, mode: 'exact' }],
    ['more than exact arithmetic gives', { targetPerSecond: 800 }, { workers: 6, mode: 'fast' }],
    ['a latency that exact arithmetic misses', { maxLatencyMs: 9 }, { mode: 'fast' }],
  ])('when %s', async (_, constraints, expected) => {
    const { options, unreachable } = await optimize(constraints)

    expect(options).toMatchObject(expected)
    expect(unreachable).toEqual([])
  })

  test('that nothing keeps to are told, and come as near as they can', async () => {
    const { options, unreachable, tried } = await optimize({
      maxMemoryMb: 120,
      targetPerSecond: 5_000,
      maxLatencyMs: 1,
    })

    expect(options).toMatchObject({ workers: 1 })
    expect(unreachable).toEqual([
      'maxMemoryMb 120 is not reachable: the process takes 150 MiB',
      expect.stringMatching(/^maxLatencyMs 1 is not reachable: 95 of 100 single texts take up to \d+ ms$/),
      expect.stringMatching(/^targetPerSecond 5000 is not reachable: it is \d+ texts a second$/),
    ])
    expect(Math.max(...tried.map(({ workers = 0 }) => workers))).toBe(1)
  })

  test('that exclude one another leave the process its memory', async () => {
    const { options, unreachable } = await optimize({ maxMemoryMb: 170, targetPerSecond: 150 }, ['exact'])

    expect(options).toMatchObject({ workers: 1 })
    expect(unreachable).toEqual(['targetPerSecond 150 is not reachable: it is 100 texts a second'])
  })

  test('of which one is out of reach keep to the other', async () => {
    const { options } = await optimize({ maxLatencyMs: 15, targetPerSecond: 5_000 }, ['exact'])

    expect(options).toMatchObject({ workers: 2 })
  })

  test('are looked for from few workers to many: memory that was freed stays with the process', async () => {
    const { tried } = await optimize({ targetPerSecond: 5_000 })

    const sizes = tried.map(({ workers = 0 }) => workers)
    expect(sizes).toEqual(sizes.toSorted())
    expect(new Set(tried.map(({ mode }) => mode))).toEqual(new Set(['exact', 'fast']))
  })

  test('never choose other vectors unless that is allowed', async () => {
    const { options, unreachable } = await optimize({ targetPerSecond: 800 }, ['exact'])

    expect(options).toMatchObject({ workers: 6, mode: 'exact' })
    expect(unreachable).toEqual(['targetPerSecond 800 is not reachable: it is 600 texts a second'])
  })

  describe('where other weights may be chosen', () => {
    /** A folder with a model, and empty weights of these files beside it. */
    async function folderWith(...weights: readonly string[]) {
      const folder = await temporaryDirectory()
      await writeTinyModel(folder.path)
      for (const file of weights) await writeFile(join(folder.path, file), '')
      return folder
    }
    const optimizeIn = (folder: string, constraints: Constraints, options: Partial<OptimizeOptions> = {}) =>
      optimizeForConstraints(constraints, {
        model: folder,
        maxWorkers: 4,
        precisions: 'all',
        async measureCandidate(settings) {
          const { precision = 'fp32' } = settings
          const { speed, memory } = { ...{ speed: 1, memory: 0 }, ...figures[precision] }
          const measurement = await machine(settings)
          return {
            ...measurement,
            textsPerSecond: measurement.textsPerSecond * speed,
            memoryMb: measurement.memoryMb + memory,
          }
        },
        ...options,
      })
    const figures = {
      fp32: { speed: 1, memory: 0 },
      fp16: { speed: 0.5, memory: -40 },
      int8: { speed: 1.2, memory: 10 },
      'int8-dynamic': { speed: 2, memory: -60 },
    } as const

    test.each<[string, Constraints, object]>([
      [
        'those that are used without a wish, if they will do',
        { targetPerSecond: 100 },
        { precision: 'int8', workers: 1 },
      ],
      ['others, when only these reach the target', { targetPerSecond: 700 }, { precision: 'int8-dynamic', workers: 4 }],
      ['the most exact of those that fit into the memory', { maxMemoryMb: 155 }, { precision: 'fp32' }],
    ])('takes %s', async (_, constraints, expected) => {
      await using folder = await folderWith('model_w8.onnx', 'model_int8.onnx', 'model_fp16.onnx')

      const { options, unreachable, notes } = await optimizeIn(folder.path, constraints)

      expect(options).toMatchObject(expected)
      expect([unreachable, notes]).toEqual([[], []])
    })

    test('says when there are no others', async () => {
      await using folder = await folderWith()

      const { options, notes } = await optimizeIn(folder.path, {})

      expect(options.precision).toBe('fp32')
      expect(notes).toEqual([`model "${folder.path}" has weights of one precision only: fp32`])
    })

    test('tries no more than was allowed, and int8 activations with quantized weights alone', async () => {
      await using folder = await folderWith('model_w8.onnx', 'model_int8.onnx')
      const modes = ['exact', 'fast'] as const

      const { tried } = await optimizeIn(
        folder.path,
        { targetPerSecond: 5_000 },
        { modes, precisions: ['int8', 'fp32'] },
      )

      const kinds = new Set(tried.map(({ precision, mode }) => `${precision} ${mode}`))
      expect([...kinds]).toEqual(['int8 exact', 'int8 fast', 'fp32 exact'])
    })
  })

  test.each([{ maxMemoryMb: 0 }, { targetPerSecond: Number.NaN }, { maxLatencyMs: -1 }])(
    '%j is refused',
    async (nonsense) => {
      await expect(optimize(nonsense)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    },
  )

  test.each<[unknown, string]>([
    [{ maxMemoryMB: 5 }, 'optimizeForConstraints has no option "maxMemoryMB". Did you mean maxMemoryMb?'],
    [{ maxMemoryMb: '512' }, 'maxMemoryMb must be a number above 0, not a text.'],
    [{ targetPerSecond: Number.POSITIVE_INFINITY }, 'targetPerSecond must be a number above 0, not Infinity.'],
    [undefined, 'optimizeForConstraints takes an object with options, not undefined. Known are maxMemoryMb, '],
  ])('%j say what is wrong with them', async (nonsense, sentence) => {
    await expect(optimize(nonsense as Constraints)).rejects.toThrow(`CONFIG_INVALID: ${sentence}`)
  })

  test.each<[unknown, string]>([
    [undefined, 'optimizeForConstraints takes an object with options, not undefined. Name a model of'],
    [{}, 'the option "model" is missing. Name a model of'],
    [{ model: 'any', workers: 2 }, 'optimizeForConstraints has no option "workers". Known are model, '],
    [{ model: 'any', maxWorkers: 0 }, 'maxWorkers must be a whole number from 1, not 0.'],
    [{ model: 'any', modes: 'fast' }, 'modes must be an array of exact, fast, not a text.'],
    [{ model: 'any', modes: ['quick'] }, 'modes must be an array of exact, fast, not an array.'],
    [
      { model: 'any', precisions: ['int4'] },
      'precisions must be an array of fp32, fp16, int8, int8-dynamic or "all", ',
    ],
    [{ model: 'any', texts: [1] }, 'texts must be an array of texts, not an array.'],
    [{ model: 'any', signal: {} }, 'signal must be an AbortSignal, not an object.'],
    [{ model: 'any', deterministic: 'no' }, 'deterministic must be true or false, not a text.'],
  ])('are not looked for with %j', async (options, sentence) => {
    const given = typeof options === 'object' ? { measureCandidate: machine, ...options } : options
    await expect(optimizeForConstraints({}, given as OptimizeOptions)).rejects.toThrow(`CONFIG_INVALID: ${sentence}`)
  })
})
