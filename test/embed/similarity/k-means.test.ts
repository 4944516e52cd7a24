import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { euclidean, type KMeansOptions, kMeans } from '../../../src/embed/similarity/index.ts'

const vector = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 2, maxLength: 2 })
const groups = fc
  .array(vector, { minLength: 1, maxLength: 24 })
  .chain((vectors) =>
    fc.tuple(fc.constant(vectors), fc.integer({ min: 1, max: vectors.length }), fc.integer({ min: 0, max: 99 })),
  )

test('groups that lie apart are found, whatever the seed', () => {
  const corners = [
    [0, 0],
    [100, 0],
    [0, 100],
  ]
  const vectors = Array.from({ length: 60 }, (_, at) => corners[at % 3]?.map((value) => value + (at % 7)) ?? [])
  for (let seed = 0; seed < 20; seed++) {
    const { assignments, converged } = kMeans(vectors, { clusters: 3, seed })

    expect(converged).toBe(true)
    for (const at of assignments.keys()) expect(assignments[at]).toBe(assignments[at % 3])
    expect(new Set(assignments).size).toBe(3)
  }
})

describe('any vectors', () => {
  test('give the same groups for the same seed', () => {
    fc.assert(
      fc.property(groups, ([vectors, clusters, seed]) => {
        expect(kMeans(vectors, { clusters, seed })).toEqual(kMeans(vectors, { clusters, seed }))
      }),
    )
  })

  test('leave no group empty, also when there are fewer different vectors than groups', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 5 }), ([vectors, clusters, seed], maxIterations) => {
        const { assignments } = kMeans(vectors, { clusters, seed, maxIterations })

        expect(new Set(assignments).size).toBe(clusters)
      }),
    )
  })

  test('are nearest to the mean of their own group in the end, and the means are means', () => {
    fc.assert(
      fc.property(groups, ([vectors, clusters, seed]) => {
        const { centroids, assignments, converged, inertia } = kMeans(vectors, { clusters, seed })

        expect(converged).toBe(true)
        const own = vectors.map((row, at) => euclidean(row, centroids[assignments[at] ?? 0] ?? []))
        for (const [at, row] of vectors.entries())
          for (const centroid of centroids) expect(own[at]).toBeLessThanOrEqual(euclidean(row, centroid) + 1e-9)
        expect(inertia).toBeCloseTo(
          own.reduce((sum, distance) => sum + distance ** 2, 0),
          9,
        )
        for (const [cluster, centroid] of centroids.entries()) {
          const members = vectors.filter((_, at) => assignments[at] === cluster)
          const mean = centroid.map((_, at) => members.reduce((sum, row) => sum + (row[at] ?? 0), 0) / members.length)
          expect(euclidean(centroid, mean)).toBeCloseTo(0, 9)
        }
      }),
    )
  })

  test('lie no worse after more rounds', () => {
    fc.assert(
      fc.property(groups, ([vectors, clusters, seed]) => {
        const rounds = [1, 2, 3, 100].map((maxIterations) => kMeans(vectors, { clusters, seed, maxIterations }).inertia)

        for (const [at, inertia] of rounds.slice(1).entries())
          expect(inertia).toBeLessThanOrEqual((rounds[at] ?? 0) + 1e-9)
      }),
    )
  })
})

test('rounds are bounded', () => {
  const vectors = Array.from({ length: 200 }, (_, at) => [at ** 1.5])

  expect(kMeans(vectors, { clusters: 12, maxIterations: 2 })).toMatchObject({ iterations: 2, converged: false })
})

test('what makes no sense is refused', () => {
  expect(() => kMeans([[1]], { clusters: 2 })).toThrow('CONFIG_INVALID: 1 vectors do not fill 2 clusters.')
  expect(() => kMeans([], { clusters: 1 })).toThrow('0 vectors do not fill 1 clusters')
  expect(() => kMeans([[1]], { clusters: 0 })).toThrow('clusters must be a whole number from 1, not 0')
  expect(() => kMeans([[1]], { clusters: 1, seed: 0.5 })).toThrow('seed must be a whole number from 0, not 0.5')
  expect(() => kMeans([[1], [1, 2]], { clusters: 1 })).toThrow('VECTOR_INVALID: vector 1 has 2 dimensions')
  expect(() => kMeans([[1], [Number.NaN]], { clusters: 1 })).toThrow('VECTOR_INVALID: vector 1 holds NaN at 0')
  expect(() => kMeans([[], []], { clusters: 1 })).toThrow('VECTOR_INVALID: vector 0 has no dimensions.')
  expect(() => kMeans([[1], null as unknown as number[]], { clusters: 1 })).toThrow('vector 1 is no vector but null.')
  expect(() => kMeans(undefined as unknown as number[][], { clusters: 1 })).toThrow(
    'CONFIG_INVALID: vectors must be an array, not undefined.',
  )
})

test.each<[string, unknown, string]>([
  ['no options', undefined, 'kMeans takes an object with options, not undefined. Known are clusters, seed, maxIter'],
  ['a number of groups alone', 8, 'kMeans takes an object with options, not a number.'],
  ['no number of groups', {}, 'clusters must be a whole number from 1, not undefined.'],
  ['a misspelled option', { cluster: 8 }, 'kMeans has no option "cluster". Did you mean clusters?'],
])('%s is refused', (_, options, sentence) => {
  expect(() => kMeans([[1]], options as KMeansOptions)).toThrow(`CONFIG_INVALID: ${sentence}`)
})
