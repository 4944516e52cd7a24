import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareAll,
  compareToAll,
  cosine,
  dot,
  euclidean,
  type Metric,
  manhattan,
  pairwise,
  topK,
} from '../../../src/embed/similarity/index.ts'

const measures = { cosine, dot, euclidean, manhattan }
const metric = fc.constantFrom<Metric>('cosine', 'dot', 'euclidean', 'manhattan')
// Few different numbers, so that many of them are equally near.
const vector = fc
  .array(fc.integer({ min: -2, max: 2 }), { minLength: 2, maxLength: 2 })
  .filter((numbers) => numbers.some((value) => value !== 0))
const vectors = fc.array(vector, { maxLength: 12 })

test('many comparisons are those of each pair', () => {
  fc.assert(
    fc.property(vectors, vectors, metric, (some, others, chosen) => {
      const expected = some.map((a) => Float64Array.from(others, (b) => measures[chosen](a, b)))

      expect(compareAll(some, others, { metric: chosen })).toEqual(expected)
      expect(some.map((query) => compareToAll(query, others, { metric: chosen }))).toEqual(expected)
      expect(pairwise(some, { metric: chosen })).toEqual(compareAll(some, some, { metric: chosen }))
    }),
  )
})

test('topK is the beginning of all that are sorted, those that are equal in their order', () => {
  fc.assert(
    fc.property(vector, vectors, fc.integer({ min: 1, max: 15 }), metric, (query, others, k, chosen) => {
      const sign = chosen === 'euclidean' || chosen === 'manhattan' ? 1 : -1
      const sorted = others
        .map((other, index) => ({ index, score: measures[chosen](query, other) }))
        .sort((a, b) => sign * (a.score - b.score) || a.index - b.index)

      expect(topK(query, others, k, { metric: chosen })).toEqual(sorted.slice(0, k))
    }),
  )
})

describe('what is wrong', () => {
  test('is named by its place', () => {
    const zero = [
      [1, 0],
      [0, 0],
    ]
    expect(() => compareToAll([1, 0], [[1, 0], [1]])).toThrow(
      'VECTOR_INVALID: vector 1 has 1 dimensions, it is compared with one of 2.',
    )
    expect(() => compareAll([[1, 0]], [[1, Number.NaN]])).toThrow('vector 0 holds NaN at 1')
    expect(() => pairwise(zero)).toThrow('vector 1 is zero')
    expect(pairwise(zero, { metric: 'dot' })[1]).toEqual(Float64Array.of(0, 0))
    expect(() => compareToAll([0, 0], [])).toThrow('the query is zero')
  })

  test.each<Metric>(['cosine', 'dot', 'euclidean', 'manhattan'])('is no vector, for %s', (chosen) => {
    const options = { metric: chosen }
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is refused.
    const holed = [[1, 0], , [0, 1]] as number[][]
    expect(() => topK([1, 0], holed, 1, options)).toThrow('VECTOR_INVALID: vector 1 is no vector but undefined.')
    expect(() => topK([1, 0], [[1, null as unknown as number]], 1, options)).toThrow('vector 0 holds null at 1.')
    expect(() => compareToAll([], [], options)).toThrow('VECTOR_INVALID: the query has no dimensions.')
    expect(() => compareAll([[]], [[]], options)).toThrow('VECTOR_INVALID: vector 0 has no dimensions.')
    expect(() => pairwise([1, 2] as unknown as number[][], options)).toThrow('vector 0 is no vector but a number.')
  })

  test('is no list of vectors', () => {
    const none = undefined as unknown as number[][]
    expect(() => topK([1], none, 1)).toThrow('CONFIG_INVALID: vectors must be an array, not undefined.')
    expect(() => compareToAll([1], none)).toThrow('vectors must be an array, not undefined.')
    expect(() => compareAll([[1]], none)).toThrow('vectors must be an array, not undefined.')
    expect(() => compareAll(none, [[1]])).toThrow('queries must be an array, not undefined.')
    expect(() => pairwise(Float32Array.of(1) as unknown as number[][])).toThrow(
      'vectors must be an array, not an object.',
    )
  })

  test('is a k that is no number of things', () => {
    expect(() => topK([1], [[1]], 0)).toThrow('CONFIG_INVALID: k must be a whole number from 1, not 0.')
    expect(() => topK([1], [[1]], 1.5)).toThrow('not 1.5')
    expect(() => topK([1], [[1]], '2' as unknown as number)).toThrow('k must be a whole number from 1, not a text.')
  })

  const some = [[1]]
  const comparisons: readonly [string, (options: object) => unknown][] = [
    ['compareToAll', (options) => compareToAll([1], some, options)],
    ['compareAll', (options) => compareAll(some, some, options)],
    ['pairwise', (options) => pairwise(some, options)],
    ['topK', (options) => topK([1], some, 1, options)],
  ]
  test.each(comparisons)('is a metric or an option of %s that there is not', (name, compare) => {
    expect(() => compare({ metric: 'hamming' })).toThrow(
      'CONFIG_INVALID: metric must be one of cosine, dot, euclidean, manhattan, not hamming.',
    )
    expect(() => compare({ metric: null })).toThrow('manhattan, not null.')
    expect(() => compare({ Metric: 'dot' })).toThrow(
      `CONFIG_INVALID: ${name} has no option "Metric". Did you mean metric? Known are metric.`,
    )
    expect(() => compare('dot' as unknown as object)).toThrow(
      `CONFIG_INVALID: ${name} takes an object with options, not a text.`,
    )
  })
})
