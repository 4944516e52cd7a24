import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cosine, dot, euclidean, manhattan, normalize, type Vector } from '../../../src/embed/similarity/index.ts'

const number = fc.float({ min: -1e6, max: 1e6, noNaN: true })
const vector = fc
  .array(number, { minLength: 3, maxLength: 3 })
  .filter((numbers) => numbers.some((value) => value !== 0))

describe('known vectors', () => {
  test.each([
    ['cosine', cosine, 0.96],
    ['dot', dot, 24],
    ['euclidean', euclidean, Math.SQRT2],
    ['manhattan', manhattan, 2],
  ] as const)('%s of (3, 4) and (4, 3)', (_name, measure, expected) => {
    expect(measure([3, 4], Float32Array.of(4, 3))).toBeCloseTo(expected, 12)
  })

  test('normalize gives the same direction at length 1, and leaves what it was given', () => {
    const given = Float32Array.of(3, 4)

    expect(normalize(given)).toEqual(Float32Array.of(0.6, 0.8))
    expect(given).toEqual(Float32Array.of(3, 4))
  })
})

describe('any vectors', () => {
  test('compare alike in both directions', () => {
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        for (const measure of [cosine, dot, euclidean, manhattan]) expect(measure(a, b)).toBe(measure(b, a))
      }),
    )
  })

  test('have no distance from themselves, and the cosine 1', () => {
    fc.assert(
      fc.property(vector, (a) => {
        expect([euclidean(a, a), manhattan(a, a)]).toEqual([0, 0])
        expect(cosine(a, a)).toBeCloseTo(1, 12)
      }),
    )
  })

  test('are no farther apart over a third one', () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        for (const measure of [euclidean, manhattan])
          expect(measure(a, b)).toBeLessThanOrEqual((measure(a, c) + measure(c, b)) * (1 + 1e-12))
      }),
    )
  })

  test('have a cosine between -1 and 1: the dot product of their normalized forms', () => {
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        expect(Math.abs(cosine(a, b))).toBeLessThanOrEqual(1)
        expect(dot(normalize(a), normalize(b))).toBeCloseTo(cosine(a, b), 5)
      }),
    )
  })

  test('get length 1 from normalize, also the smallest and the largest of single precision', () => {
    const extreme = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 })
    fc.assert(
      fc.property(extreme, (numbers) => {
        fc.pre(numbers.some((value) => value !== 0))
        const unit = normalize(numbers)
        expect(dot(unit, unit)).toBeCloseTo(1, 5)
      }),
    )
  })
})

describe('vectors that cannot be compared', () => {
  test.each([cosine, dot, euclidean, manhattan])('are refused by %o', (measure) => {
    expect(() => measure([1, 2], [1, 2, 3])).toThrow(
      'VECTOR_INVALID: the second vector has 3 dimensions, it is compared with one of 2.',
    )
    expect(() => measure([1, Number.NaN], [1, 2])).toThrow('VECTOR_INVALID: the first vector holds NaN at 1.')
    expect(() => measure([1, 2], [Number.POSITIVE_INFINITY, 2])).toThrow('the second vector holds Infinity at 0.')
    expect(() => measure([1, 2], [2, 1e39])).toThrow('the second vector holds 1e+39 at 1.')
  })

  test.each<[string, unknown, string]>([
    ['with null in it', [1, null], 'holds null at 1'],
    ['with undefined in it', [undefined, 1], 'holds undefined at 0'],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is refused.
    ['with a hole', [1, , 3], 'holds undefined at 1'],
    ['with a text in it', [1, '2'], 'holds a text at 1'],
    ['with a truth in it', [true, 2], 'holds true at 0'],
    ['of large integers', BigInt64Array.of(1n, 2n), 'holds a bigint at 0'],
    ['that is a text', '123', 'is no vector but a text'],
    ['that is missing', undefined, 'is no vector but undefined'],
    ['that is nothing', null, 'is no vector but null'],
    ['that is a number', 12, 'is no vector but a number'],
    ['that is another object', { length: 'two' }, 'is no vector but an object'],
    ['without dimensions', [], 'has no dimensions'],
    ['of fewer than no dimensions', { length: -1 }, 'has no dimensions'],
  ])('are refused: one %s', (_, given, fact) => {
    const vector = given as Vector
    for (const measure of [cosine, dot, euclidean, manhattan]) {
      expect(() => measure(vector, [1, 2])).toThrow(`VECTOR_INVALID: the first vector ${fact}.`)
      expect(() => measure([1, 2], vector)).toThrow(`VECTOR_INVALID: the second vector ${fact}.`)
    }
    expect(() => normalize(vector)).toThrow('VECTOR_INVALID: the vector ')
  })

  test('are zero vectors where directions are compared', () => {
    expect(() => cosine([1, 2], [0, 0])).toThrow('VECTOR_INVALID: the second vector is zero: it has no direction.')
    expect(() => normalize([])).toThrow('VECTOR_INVALID: the vector is zero: it has no direction.')
    expect(euclidean([1, 0], [0, 0])).toBe(1)
  })
})
