import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { onnx } from '../../src/embed/onnx.ts'
import type { SearchOptions } from '../../src/topology/processor.ts'
import { change, point, upsert } from '../support/points.ts'

interface Retrieval {
  readonly passages: readonly { readonly id: number; readonly text: string }[]
  readonly queries: readonly { readonly q: string; readonly pid: number }[]
}

const fixture = new URL('../fixtures/retrieval/retrieval.json.br', import.meta.url)
const { passages, queries }: Retrieval = JSON.parse(brotliDecompressSync(readFileSync(fixture)).toString())
const never = new AbortController().signal
const index = sqliteIndex({ path: ':memory:' })
let questions: { text: string; vector: Float32Array; answer: string }[]

beforeAll(async () => {
  const embedder = onnx({ model: 'all-MiniLM-L6-v2' })
  await embedder.open()
  const vectors = await embedder.embed([...passages.map(({ text }) => text), ...queries.map(({ q }) => q)], never)
  await index.open({ id: embedder.id, dimensions: embedder.dimensions })
  await embedder.close()
  const points = passages.map(({ id, text }, i) =>
    point(String(id), text, { vector: vectors[i] ?? new Float32Array() }),
  )
  await index.writer('0_0').write(change('passages', upsert(...points)), never)
  questions = queries.map(({ q, pid }, i) => ({
    text: q,
    vector: vectors[passages.length + i] ?? new Float32Array(),
    answer: String(pid),
  }))
}, 240_000)
afterAll(() => index.close())

/** Mean reciprocal rank of the passage that answers, among the first ten hits. */
async function meanReciprocalRank(mode: NonNullable<SearchOptions['mode']>): Promise<number> {
  let sum = 0
  for (const { text, vector, answer } of questions) {
    const hits = await index.search({ text, vector }, { mode })
    const rank = hits.findIndex((hit) => hit.payload._millrace.doc === answer) + 1
    if (rank > 0) sum += 1 / rank
  }
  return sum / questions.length
}

// Measured: .500, .532 and .572. The 760 questions are titles and sentences of 1,700 passages of technical prose.
test.each([
  ['vector', 0.495],
  ['text', 0.52],
  ['hybrid', 0.56],
] as const)(
  '%s search finds the passage that answers with a mean reciprocal rank of at least %d',
  async (mode, least) => {
    expect(await meanReciprocalRank(mode)).toBeGreaterThanOrEqual(least)
  },
)
