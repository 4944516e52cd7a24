import { StreamError } from '../../errors.ts'
import { refuseUnknownOptions } from '../option-names.ts'
import { requireArray, requireSameLength, requireVector, requireWhole } from './checks.ts'
import { squaredDistanceOf, type Vector } from './kernels.ts'

export interface KMeansOptions {
  /** How many groups: from 1 to the number of vectors. */
  readonly clusters: number
  /** The same seed gives the same groups. A whole number; default 0. */
  readonly seed?: number
  /** Rounds after which the result is taken as it is. Default 100. */
  readonly maxIterations?: number
}

export interface Clustering {
  /** The mean of each group. */
  readonly centroids: readonly Float64Array[]
  /** The group of each vector. No group is empty. */
  readonly assignments: Int32Array
  /** Sum of the squared distances between the vectors and the means of their groups. */
  readonly inertia: number
  readonly iterations: number
  /** False when `maxIterations` ended it: some vector is nearer to the mean of another group. */
  readonly converged: boolean
}

/**
 * Divides vectors into groups of near ones, by Euclidean distance: Lloyd's algorithm (Lloyd, "Least squares quantization in PCM", 1982)
 * from the start of k-means++ (Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007). A group that runs empty
 * gets the vector that is farthest from its own mean. Deterministic: the same vectors, options and seed give the same numbers.
 *
 * Costs vectors x clusters x dimensions per iteration and runs on the calling thread. Throws CONFIG_INVALID for counts that make no
 * sense and for unknown options, VECTOR_INVALID like `cosine`.
 *
 * @example
 * const { assignments } = kMeans(await embedder.embed(texts), { clusters: 8 })
 */
export function kMeans(vectors: readonly Vector[], options: KMeansOptions): Clustering {
  refuseUnknownOptions('kMeans', options, ['clusters', 'seed', 'maxIterations'])
  const { clusters, seed = 0, maxIterations = 100 } = options
  requireWhole(clusters, 'clusters', 1)
  requireWhole(maxIterations, 'maxIterations', 1)
  requireWhole(seed, 'seed', 0)
  requireVectors(vectors, clusters)
  let centroids = chooseSeeds(vectors, clusters, generator(seed))
  const assignments = new Int32Array(vectors.length)
  let iterations = 0
  let converged = false
  while (!converged && iterations < maxIterations) {
    iterations++
    const moved = assign(vectors, centroids, assignments)
    const filled = fillEmpty(vectors, centroids, assignments)
    centroids = meansOf(vectors, assignments, clusters)
    converged = iterations > 1 && !moved && !filled
  }
  const inertia = vectors.reduce((sum, vector, at) => sum + distanceToOwn(vector, centroids, assignments[at]), 0)
  return { centroids, assignments, inertia, iterations, converged }
}

function requireVectors(vectors: readonly Vector[], clusters: number): void {
  requireArray(vectors, 'vectors')
  const [first] = vectors
  if (!first || clusters > vectors.length)
    throw new StreamError('CONFIG_INVALID', `${vectors.length} vectors do not fill ${clusters} clusters`)
  for (const [at, vector] of vectors.entries()) {
    requireVector(vector, `vector ${at}`)
    requireSameLength(first, vector, `vector ${at}`)
  }
}

/** The first at random, each further one with a chance that grows with the squared distance to the nearest of those before it. */
function chooseSeeds(vectors: readonly Vector[], clusters: number, random: () => number): Float64Array[] {
  const chosen: Float64Array[] = []
  const distances = new Float64Array(vectors.length).fill(1)
  while (chosen.length < clusters) {
    const seed = Float64Array.from(vectors[draw(distances, random())] ?? [])
    for (const [at, vector] of vectors.entries()) {
      const distance = squaredDistanceOf(vector, seed)
      distances[at] = chosen.length === 0 ? distance : Math.min(distances[at] ?? 0, distance)
    }
    chosen.push(seed)
  }
  return chosen
}

/** The place whose weight holds the given part of the sum. Vectors that are all chosen weigh nothing: then the first will do. */
function draw(weights: Float64Array, part: number): number {
  let left = part * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [at, weight] of weights.entries()) {
    if (weight > 0 && left < weight) return at
    left -= weight
  }
  return Math.max(
    0,
    weights.findLastIndex((weight) => weight > 0),
  )
}

/** Gives every vector to the nearest mean; on a tie it stays, so that equal means do not pass it to and fro. True when one moved. */
function assign(vectors: readonly Vector[], centroids: readonly Float64Array[], assignments: Int32Array): boolean {
  let moved = false
  for (const [at, vector] of vectors.entries()) {
    let nearest = assignments[at] ?? 0
    let least = distanceToOwn(vector, centroids, nearest)
    for (const [cluster, centroid] of centroids.entries()) {
      const distance = squaredDistanceOf(vector, centroid)
      if (distance >= least) continue
      nearest = cluster
      least = distance
    }
    if (nearest !== assignments[at]) moved = true
    assignments[at] = nearest
  }
  return moved
}

/** Gives each empty group the vector that is farthest from its mean, out of a group that can spare one. True when there was one. */
function fillEmpty(vectors: readonly Vector[], centroids: readonly Float64Array[], assignments: Int32Array): boolean {
  const sizes = new Int32Array(centroids.length)
  for (const cluster of assignments) sizes[cluster] = (sizes[cluster] ?? 0) + 1
  const empty = [...sizes.keys()].filter((cluster) => sizes[cluster] === 0)
  if (empty.length === 0) return false
  const distances = vectors.map((vector, at) => distanceToOwn(vector, centroids, assignments[at]))
  const farthest = [...vectors.keys()].toSorted((a, b) => (distances[b] ?? 0) - (distances[a] ?? 0) || a - b)
  for (const at of farthest) {
    const from = assignments[at] ?? 0
    if ((sizes[from] ?? 0) < 2) continue
    const to = empty.shift()
    if (to === undefined) break
    sizes[from] = (sizes[from] ?? 0) - 1
    assignments[at] = to
  }
  return true
}

function meansOf(vectors: readonly Vector[], assignments: Int32Array, clusters: number): Float64Array[] {
  const dimensions = vectors[0]?.length ?? 0
  const means = Array.from({ length: clusters }, () => new Float64Array(dimensions))
  const sizes = new Float64Array(clusters)
  for (const [row, vector] of vectors.entries()) {
    const cluster = assignments[row] ?? 0
    const mean = means[cluster]
    sizes[cluster] = (sizes[cluster] ?? 0) + 1
    for (let at = 0; mean && at < dimensions; at++) mean[at] = (mean[at] ?? 0) + (vector[at] ?? 0)
  }
  return means.map((mean, cluster) => mean.map((value) => value / (sizes[cluster] ?? 1)))
}

function distanceToOwn(vector: Vector, centroids: readonly Float64Array[], cluster = 0): number {
  return squaredDistanceOf(vector, centroids[cluster] ?? [])
}

/** Numbers from 0 to below 1: Mulberry32 by Tommy Ettinger. */
function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
