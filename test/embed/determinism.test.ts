import { afterAll, describe, expect, test, vi } from 'vitest'
import type { Embedder } from '../../src/embed/embedder.ts'
import { onnx } from '../../src/embed/onnx.ts'
import type { OnnxOptions } from '../../src/embed/onnx-options.ts'
import { tokenizerVectors } from '../support/embed-fixtures.ts'

vi.setConfig({ testTimeout: 60_000 })

const never = new AbortController().signal
/** Texts of many lengths, few enough to be embedded several times in a second or two. */
const texts = tokenizerVectors('golden')
  .map(({ text }) => text.slice(0, 300))
  .filter((text, at, all) => all.indexOf(text) === at && at % 10 === 0)

const opened: Embedder[] = []

/** A new process would give no other session than this: nothing is shared with the last one. */
async function start(options: Partial<OnnxOptions>): Promise<Embedder> {
  const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1, ...options })
  await embedder.open()
  opened.push(embedder)
  return embedder
}

afterAll(() => Promise.all(opened.map((embedder) => embedder.close())))

/** By text: the order and the company change, what belongs to a text must not. */
async function vectorsOf(embedder: Embedder, order: readonly string[]): Promise<ReadonlyMap<string, Float32Array>> {
  const vectors = await embedder.embed(order, never)
  return new Map(order.map((text, at) => [text, vectors[at] ?? new Float32Array()]))
}

/** The same texts in another order and with others among them. */
const otherCompany = [...texts.toReversed(), ...texts.map((text) => `${text} and more`)]

function largestDifference(some: ReadonlyMap<string, Float32Array>, others: ReadonlyMap<string, Float32Array>): number {
  const differences = texts.map((text) => {
    const other = others.get(text) ?? new Float32Array()
    return some.get(text)?.reduce((most, value, at) => Math.max(most, Math.abs(value - (other[at] ?? 0))), 0) ?? 1
  })
  return Math.max(...differences)
}

describe('the same text in any batch, after a restart, with one worker or two', () => {
  test('has the same vector within 1e-6', async () => {
    const first = await vectorsOf(await start({}), texts)

    const again = await vectorsOf(await start({ workers: 2, maxBatchTokens: 1_024 }), otherCompany)

    expect(largestDifference(first, again)).toBeLessThanOrEqual(1e-6)
  })

  test.each(['exact', 'fast'] as const)('has the same bits when it is run alone, in mode %s', async (mode) => {
    const one = await start({ mode, deterministic: true })
    const first = await vectorsOf(one, texts)

    const two = await start({ mode, deterministic: true, workers: 2 })
    const again = await vectorsOf(two, otherCompany)

    for (const text of texts) expect(again.get(text)).toEqual(first.get(text))
    expect(one.stats).toMatchObject({ batches: texts.length, paddingRatio: 0 })
    expect(two.id).toBe(one.id)
  })
})
