import { describe, expect, test } from 'vitest'
import { pool } from '../../src/embed/pooling.ts'

test.each(['mean', 'cls', 'last'] as const)(
  'with %s, a row without a token has no numbers, and none of its neighbours',
  (pooling) => {
    const hidden = Float32Array.of(3, 4, 3, 4, 8, 6, 8, 6)

    const vectors = pool(hidden, Int32Array.of(2, 0), {
      pooling,
      normalize: true,
      width: 2,
      modelDimensions: 2,
      dimensions: 2,
    })

    expect([...vectors].map((value) => Number(value.toFixed(6)))).toEqual([0.6, 0.8, Number.NaN, Number.NaN])
  },
)

describe.each([true, false])('when vectors are scaled to unit length: %s', (normalize) => {
  /** Pools rows of one token, of which the first `dimensions` numbers are kept. */
  const poolRows = (rows: readonly (readonly number[])[], dimensions = 2) => {
    const options = { pooling: 'mean', normalize, width: 1, modelDimensions: rows[0]?.length ?? 0, dimensions } as const
    const vectors = pool(Float32Array.from(rows.flat()), new Int32Array(rows.length).fill(1), options)
    return rows.map((_, row) => [...vectors.subarray(row * dimensions, (row + 1) * dimensions)])
  }
  const unusable = [Number.NaN, Number.NaN]

  test.each([
    ['of zeros', [0, -0]],
    ['with a number that is none', [1, Number.NaN]],
    ['with an infinite number', [Number.NEGATIVE_INFINITY, 1]],
  ])('a row %s has no numbers, and its neighbours have theirs', (_, row) => {
    expect(poolRows([[0, 1], row, [1, 0]])).toEqual([[0, 1], unusable, [1, 0]])
  })

  test('a row of which nothing but zeros is kept has no numbers', () => {
    expect(poolRows([[0, 0, 1]])).toEqual([unusable])
  })

  test('a row whose tokens cancel one another has no numbers', () => {
    const options = { pooling: 'mean', normalize, width: 2, modelDimensions: 2, dimensions: 2 } as const

    const vector = pool(Float32Array.of(1, -2, -1, 2), Int32Array.of(2), options)

    expect([...vector]).toEqual(unusable)
  })

  test('a row of the smallest numbers has numbers, or says that it has none', () => {
    const smallest = 2 ** -149
    const options = { pooling: 'mean', normalize, width: 3, modelDimensions: 1, dimensions: 1 } as const

    const vector = pool(Float32Array.of(smallest, 0, 0), Int32Array.of(3), options)

    expect([...vector]).toEqual([normalize ? 1 : Number.NaN])
  })
})
