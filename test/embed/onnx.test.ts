import { spawnSync } from 'node:child_process'
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Embedder } from '../../src/embed/embedder.ts'
import { onnx } from '../../src/embed/onnx.ts'
import type { OnnxOptions } from '../../src/embed/onnx-options.ts'
import { cosine } from '../../src/embed/similarity/index.ts'
import { goldenVectors, tokenizerVectors } from '../support/embed-fixtures.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Every worker that was started, so that a test can kill one from outside. */
const workers = vi.hoisted(() => [] as Worker[])
vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>()
  class ObservedWorker extends original.Worker {
    constructor(...options: ConstructorParameters<typeof Worker>) {
      super(...options)
      workers.push(this)
    }
  }
  return { ...original, Worker: ObservedWorker }
})

// Some ten thousand tokens take seconds, and longer on a machine that runs other things.
vi.setConfig({ testTimeout: 90_000 })

const never = new AbortController().signal
const bundled = fileURLToPath(new URL('../../models/all-MiniLM-L6-v2/', import.meta.url))
const texts = tokenizerVectors('golden').map((vector) => vector.text)
const opened: Embedder[] = []

async function open(options: Partial<OnnxOptions> = {}): Promise<Embedder> {
  const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1, ...options })
  await embedder.open()
  opened.push(embedder)
  return embedder
}

afterEach(async () => {
  for (const embedder of opened.splice(0)) await embedder.close()
})

function largestDifference(some: readonly Float32Array[], others: readonly Float32Array[]): number {
  const differences = some.map((vector, row) =>
    vector.reduce((most, value, at) => Math.max(most, Math.abs(value - (others[row]?.[at] ?? 0))), 0),
  )
  return Math.max(...differences)
}

function leastCosine(some: readonly Float32Array[], others: readonly Float32Array[]): number {
  return Math.min(...some.map((vector, row) => cosine(vector, others[row] ?? new Float32Array(384))))
}

describe('the bundled model', () => {
  let embedder: Embedder
  beforeAll(async () => {
    embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 2 })
    await embedder.open()
  })
  afterAll(() => embedder.close())

  test('gives the recorded vectors, and nearly those of the original in fp32', async () => {
    const vectors = await embedder.embed(texts, never)

    expect(vectors).toHaveLength(219)
    expect(largestDifference(vectors, goldenVectors('w8-exact'))).toBeLessThan(1e-5)
    expect(leastCosine(vectors, goldenVectors('fp32'))).toBeGreaterThan(0.999)
    expect(embedder.stats.truncatedTexts).toBe(20)
  })

  test('gives a text the same vector in any company', async () => {
    const [alone] = await embedder.embed(['A mill grinds grain into flour.'], never)

    const [together] = await embedder.embed(['A mill grinds grain into flour.', ...texts.slice(8, 80)], never)

    expect(largestDifference([together ?? new Float32Array()], [alone ?? new Float32Array()])).toBeLessThan(1e-6)
  })

  test('says who it is', () => {
    expect(embedder.id).toMatch(/^onnx:all-MiniLM-L6-v2:exact:[0-9a-f]{16}$/)
    expect(embedder).toMatchObject({ dimensions: 384, maxTokens: 256 })
    expect(embedder.countTokens?.('mill '.repeat(1_000))).toBe(1_002)
  })
})

test('fast mode gives the recorded vectors of its own arithmetic', async () => {
  const embedder = await open({ mode: 'fast' })

  const vectors = await embedder.embed(texts, never)

  // Rounding to int8 depends on the instruction set; where the recording was made the difference is 1e-7.
  expect(leastCosine(vectors, goldenVectors('w8-fast'))).toBeGreaterThan(0.9995)
  expect(embedder.id).toMatch(/^onnx:all-MiniLM-L6-v2:fast:/)
})

test('a prefix is part of the text', async () => {
  const plain = await open()
  const prefixed = await open({ prefix: 'passage: ' })

  const vectors = await Promise.all([plain.embed(['passage: mill'], never), prefixed.embed(['mill'], never)])

  expect(largestDifference(vectors[0], vectors[1])).toBeLessThan(1e-6)
  expect(prefixed.id).not.toBe(plain.id)
})

test('texts that nobody would write get vectors, and hold nobody up', async () => {
  const embedder = await open()
  const strange = [
    '',
    ' \n\t',
    '\ud800',
    '\u0000\u200b',
    '\u{10ffff}',
    '\u{1f9ee}',
    'mill '.repeat(200_000),
    'm'.repeat(1_000_000),
  ]

  const vectors = await embedder.embed([...strange, 'A mill grinds.'], never)

  for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  expect(embedder.stats).toMatchObject({ texts: 9, truncatedTexts: 1 })
})

test('a worker that dies with batches in its hands costs no text', async () => {
  const embedder = await open({ workers: 2 })
  const victim = workers.at(-1)
  const startedBefore = workers.length
  const embedding = embedder.embed(texts.slice(0, 60), never)
  await new Promise((resolve) => setImmediate(resolve))

  // No message of the protocol: the worker crashes over it between two batches.
  victim?.postMessage(null)

  expect(largestDifference(await embedding, goldenVectors('w8-exact'))).toBeLessThan(1e-5)
  expect(workers.length).toBe(startedBefore + 1)
})

test.each(['process.exit(5)', 'throw 5'])('a process that ends by %s while it embeds is not aborted', async (end) => {
  const source = new URL('../../src/embed/onnx.ts', import.meta.url).href
  const script = `
    const { onnx } = await import('${source}')
    const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1, maxBatchTokens: 256 })
    await embedder.open()
    const never = new AbortController().signal
    const first = embedder.embed(['mills '.repeat(300)], never)
    embedder.embed(['1', '2', '3'].map((at) => at + ' mills'.repeat(300)), never).catch(() => undefined)
    // Its answer means that the worker is inside the next batch.
    await first
    ${end}`

  const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script])

  expect(signal).toBeNull()
  expect(status).toBe(end === 'throw 5' ? 1 : 5)
})

test('a process that has no more to do ends, whether its embedder is closed or not, and not before it has its vectors', () => {
  const source = new URL('../../src/embed/onnx.ts', import.meta.url).href
  const script = `
    const { onnx } = await import('${source}')
    const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1 })
    await embedder.open()
    const never = new AbortController().signal
    await embedder.embed(['mill'], never)
    console.log((await embedder.embed(['grain', 'flour'], never)).length)`

  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { timeout: 15_000 })

  expect({ status, stdout: `${stdout}` }).toEqual({ status: 0, stdout: '2\n' })
})

test('a batch that takes too long is tried text by text, and the process survives the worker that is still at it', () => {
  const source = (file: string) => new URL(`../../src/${file}`, import.meta.url).href
  const script = `
    const { ManualClock } = await import('${source('clock.ts')}')
    const { EmbeddingEngine } = await import('${source('embed/engine.ts')}')
    const { openDevicePool } = await import('${source('embed/device-pool.ts')}')
    const { inferenceDevice } = await import('${source('embed/inference-device.ts')}')
    const { readModel } = await import('${source('embed/models/model.ts')}')
    const clock = new ManualClock()
    const model = await readModel('all-MiniLM-L6-v2')
    const options = { mode: 'exact', clock, number: 1, batchTimeoutMs: 1_000 }
    const make = (provider) => [inferenceDevice(model, { ...options, provider })]
    const { devices, close } = await openDevicePool({ choice: 'cpu', make, check: async () => undefined })
    const encode = (texts) => texts.map((text) => ({ ids: new Int32Array(128).fill(2_000 + Number(text)), truncated: false }))
    const engine = new EmbeddingEngine({ devices, encode, clock, dimensions: 384, maxBatchTokens: 4_096 })
    const texts = Array.from({ length: 32 }, (_, at) => String(at))
    const embedding = engine.embed(texts, new AbortController().signal)
    while (!devices[0].isInside) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(1_000)
    const vectors = await embedding
    await close()
    console.log(vectors.length, engine.stats.batches)`

  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script])

  expect(`${stderr}`).not.toContain('terminate called')
  // The one batch does not count: it gave nothing.
  expect({ status, stdout: `${stdout}` }).toEqual({ status: 0, stdout: '32 32\n' })
})

describe('opening and closing', () => {
  test('nothing is known before the model is open', async () => {
    const embedder = onnx({ model: 'all-MiniLM-L6-v2' })

    expect(() => embedder.id).toThrow('ILLEGAL_STATE: the embedder of all-MiniLM-L6-v2 is not open.')
    expect(() => embedder.dimensions).toThrow('ILLEGAL_STATE')
    await embedder.close()
  })

  test('the threads start before the model is read, and end when it cannot be', async () => {
    const before = workers.length

    await expect(open({ model: './no-such-model', workers: 2 })).rejects.toMatchObject({ code: 'MODEL_MISSING' })

    expect(workers.slice(before).map(({ threadId }) => threadId)).toEqual([-1, -1])
  })

  test('two users share one model, until both have closed it', async () => {
    const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1 })
    const startedBefore = workers.length
    await Promise.all([embedder.open(), embedder.open()])
    expect(workers.length).toBe(startedBefore + 1)

    await embedder.close()
    expect(await embedder.embed(['mill'], never)).toHaveLength(1)

    await embedder.close()
    await expect(embedder.embed(['mill'], never)).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
  })

  test('a closed embedder can be opened again', async () => {
    const embedder = await open()
    await embedder.close()

    await embedder.open()

    expect(await embedder.embed(['mill'], never)).toHaveLength(1)
  })

  test.each<[string, unknown, string]>([
    ['a count of none', { workers: 0 }, 'workers must be a whole number from 1, not 0.'],
    ['a time of none', { batchTimeoutMs: 0 }, 'batchTimeoutMs must be a whole number from 1, not 0.'],
    ['an arithmetic that there is not', { mode: 'quick' }, 'mode must be one of exact, fast, not quick.'],
    [
      'weights that there are not',
      { precision: 'int4' },
      'precision must be one of fp32, fp16, int8, int8-dynamic, not int4',
    ],
    [
      'an option that is misspelled',
      { determinstic: true },
      'onnx has no option "determinstic". Did you mean deterministic? Known are model, ',
    ],
    ['an option that is like no other', { colour: 1 }, 'onnx has no option "colour". Known are model, '],
    ['a wait that is no number', { maxWaitMs: Number.NaN }, 'maxWaitMs must be a number from 0, not NaN.'],
    ['a wait of less than none', { maxWaitMs: -1 }, 'maxWaitMs must be a number from 0, not -1.'],
    [
      'a wait without an end',
      { maxWaitMs: Number.POSITIVE_INFINITY },
      'maxWaitMs must be a number from 0, not Infinity.',
    ],
    [
      'a time that no timer keeps',
      { batchTimeoutMs: 2 ** 31 },
      'batchTimeoutMs must be at most 2147483647, not 2147483648.',
    ],
    ['a count in a text', { workers: '2' }, 'workers must be a whole number from 1, not a text.'],
    [
      'a budget of another name',
      { maxBatchTokens: 'auto' },
      'maxBatchTokens must be a whole number from 1 or "measure", not a text.',
    ],
    ['a prefix that is no text', { prefix: 5 }, 'prefix must be a text, not a number.'],
    ['a file that is no text', { file: ['model.onnx'] }, 'file must be a text, not an array.'],
    ['a truth that is a text', { deterministic: 'false' }, 'deterministic must be true or false, not a text.'],
    ['a clock that does not tell the time', { clock: {} }, 'clock must be a Clock, with now and after, not an object.'],
    ['nothing where a value is wanted', { queryPrefix: null }, 'queryPrefix must be a text, not null.'],
    ['no model', { model: undefined }, 'the option "model" is missing. Name a model of `millrace model list`, or a'],
  ])('%s is refused, instead of being left out', (_, options, sentence) => {
    const given = { model: 'all-MiniLM-L6-v2', ...(options as object) }

    expect(() => onnx(given)).toThrow(`CONFIG_INVALID: ${sentence}`)
  })
})

describe('a folder', () => {
  /** A copy of the bundled model that a test can spoil, without its weights. */
  async function copyWithoutWeights(folder: string): Promise<void> {
    await cp(bundled, folder, { recursive: true, filter: (file) => !file.endsWith('.onnx') })
  }

  async function copyOfModel(folder: string): Promise<void> {
    await copyWithoutWeights(folder)
    await symlink(join(bundled, 'model_w8.onnx'), join(folder, 'model_w8.onnx'))
  }

  async function modify(file: string, how: (value: Record<string, unknown>) => object): Promise<void> {
    await writeFile(file, JSON.stringify(how(JSON.parse(await readFile(file, 'utf8')))))
  }

  test('with a tokenizer that is not plain BERT is tokenized by the library, in a thread of its own', async () => {
    await using folder = await temporaryDirectory()
    await copyOfModel(folder.path)
    await modify(join(folder.path, 'tokenizer.json'), (tokenizer) => ({
      ...tokenizer,
      normalizer: { type: 'Sequence', normalizers: [tokenizer.normalizer] },
    }))
    const rows = tokenizerVectors('golden').flatMap(({ kind }, row) =>
      kind === 'prose' || kind === 'markdown' ? [row] : [],
    )
    const pick = <T>(values: readonly T[]) => rows.flatMap((row) => values[row] ?? [])

    const embedder = await open({ model: folder.path })
    const vectors = await embedder.embed(pick(texts), never)

    const recorded = goldenVectors('w8-exact')
    expect(
      leastCosine(
        vectors,
        rows.map((row) => recorded[row] ?? new Float32Array(384)),
      ),
    ).toBeGreaterThan(0.9999)
    expect(embedder.countTokens).toBeUndefined()
    expect(embedder.stats.truncatedTexts).toBeGreaterThan(0)
  })

  test('that promises more tokens than its weights can take loses only the texts that are too long', async () => {
    await using folder = await temporaryDirectory()
    await copyOfModel(folder.path)
    await modify(join(folder.path, 'sentence_bert_config.json'), (limits) => ({ ...limits, max_seq_length: 1_024 }))
    await modify(join(folder.path, 'config.json'), (config) => ({ ...config, max_position_embeddings: 1_024 }))
    const embedder = await open({ model: folder.path, maxBatchTokens: 4_096 })

    const long = embedder.embed(['\u6f22\u5b57'.repeat(300)], never)
    const fitting = embedder.embed(['\u6c34\u8eca'.repeat(250)], never)

    await expect(long).rejects.toMatchObject({
      code: 'EMBED_TEXT',
      reaction: 'skip',
      fact: expect.stringMatching(/^a text of 602 tokens cannot be embedded: /),
    })
    expect(await fitting).toHaveLength(1)
  })

  test('whose weights are no model is refused', async () => {
    await using folder = await temporaryDirectory()
    await copyWithoutWeights(folder.path)
    await writeFile(join(folder.path, 'model.onnx'), 'no model')

    await expect(open({ model: folder.path })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/worker 1 cannot start: /),
    })
  })

  test('whose weights give vectors of another size is refused', async () => {
    await using folder = await temporaryDirectory()
    await copyOfModel(folder.path)
    await modify(join(folder.path, 'config.json'), (config) => ({ ...config, hidden_size: 768 }))
    await modify(join(folder.path, '1_Pooling', 'config.json'), () => ({ pooling_mode_mean_tokens: true }))
    await rm(join(folder.path, 'golden.json'))

    await expect(open({ model: folder.path })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/give 384 dimensions, its config.json says 768/),
    })
  })

  test('that gives another vector than when it was packed is refused', async () => {
    await using folder = await temporaryDirectory()
    await copyOfModel(folder.path)
    await modify(join(folder.path, 'golden.json'), (golden) => ({ ...golden, text: 'Another text.' }))

    await expect(open({ model: folder.path })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/gives another vector than when it was packed: cosine/),
    })
  })
})
