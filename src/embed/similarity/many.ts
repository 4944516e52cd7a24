import { refuseUnknownOptions } from '../option-names.ts'
import { oneOf, requireKind } from '../option-values.ts'
import { requireArray, requireDirection, requireSameLength, requireVector, requireWhole } from './checks.ts'
import { clampedCosine, dotOf, manhattanOf, squaredDistanceOf, type Vector } from './kernels.ts'

const metrics = ['cosine', 'dot', 'euclidean', 'manhattan'] as const

/** How two vectors are compared. `cosine` and `dot` grow with likeness, `euclidean` and `manhattan` are distances: they shrink with it. */
export type Metric = (typeof metrics)[number]

export interface CompareOptions {
  /** Default `cosine`. */
  readonly metric?: Metric
}

/** A vector that was found: its place among those that were searched, and how it compares with the query. */
export interface Neighbour {
  readonly index: number
  readonly score: number
}

/**
 * One vector against many: a number for each of `vectors`, in their order. Checks like `cosine`, and names the vector that is wrong.
 * Throws CONFIG_INVALID for a metric that there is not, as the others here do.
 *
 * @example
 * const vectors = await embedder.embed(texts)
 * const query = await embedder.embedQuery('What makes flour?')
 * const scores = compareToAll(query, vectors, { metric: 'dot' })
 */
export function compareToAll(query: Vector, vectors: readonly Vector[], options: CompareOptions = {}): Float64Array {
  const metric = metricOf('compareToAll', options)
  requireArray(vectors, 'vectors')
  const asked = measured(query, metric, 'the query')
  return scoresOf(asked, measuredAll(vectors, metric, query), metric)
}

/** Many against many: `rows[i][j]` compares `queries[i]` with `vectors[j]`. */
export function compareAll(
  queries: readonly Vector[],
  vectors: readonly Vector[],
  options: CompareOptions = {},
): Float64Array[] {
  const metric = metricOf('compareAll', options)
  requireArray(queries, 'queries')
  requireArray(vectors, 'vectors')
  const asked = measuredAll(queries, metric)
  const known = measuredAll(vectors, metric, queries[0])
  return asked.map((query) => scoresOf(query, known, metric))
}

/** Every vector against every other one: a symmetric matrix, each pair of which is computed once. */
export function pairwise(vectors: readonly Vector[], options: CompareOptions = {}): Float64Array[] {
  const metric = metricOf('pairwise', options)
  requireArray(vectors, 'vectors')
  const known = measuredAll(vectors, metric)
  const rows = known.map(() => new Float64Array(known.length))
  for (const [row, scores] of rows.entries())
    for (let column = row; column < known.length; column++) {
      const score = scoreOf(known[row], known[column], metric)
      scores[column] = score
      const mirrored = rows[column]
      if (mirrored) mirrored[row] = score
    }
  return rows
}

/**
 * The `k` vectors that are most like the query, best first; equal ones in the order in which they were given. Fewer when there are not
 * so many. Throws CONFIG_INVALID when `k` is not a whole number from 1.
 *
 * @example
 * const texts = ['Mills grind grain.', 'Rivers carry water.']
 * const vectors = await embedder.embed(texts)
 * const query = await embedder.embedQuery('What makes flour?')
 * for (const { index, score } of topK(query, vectors, 1)) console.log(score, texts[index])
 */
export function topK(
  query: Vector,
  vectors: readonly Vector[],
  k: number,
  options: CompareOptions = {},
): readonly Neighbour[] {
  requireWhole(k, 'k', 1)
  const metric = metricOf('topK', options)
  const sign = metric === 'euclidean' || metric === 'manhattan' ? -1 : 1
  const best: Neighbour[] = []
  for (const [index, score] of compareToAll(query, vectors, { metric }).entries()) {
    const last = best.at(-1)
    if (last && best.length === k && sign * score <= sign * last.score) continue
    const at = best.findLastIndex((other) => sign * other.score >= sign * score) + 1
    best.splice(at, 0, { index, score })
    if (best.length > k) best.pop()
  }
  return best
}

function metricOf(caller: string, options: CompareOptions): Metric {
  refuseUnknownOptions(caller, options, ['metric'])
  requireKind('metric', options.metric, oneOf(metrics))
  return options.metric ?? 'cosine'
}

/** A vector that was checked, and for cosines its length: each is looked at once, however often it is compared. */
interface Measured {
  readonly vector: Vector
  readonly length: number
}

/** `like` is what it will be compared with. */
function measured(vector: Vector, metric: Metric, name: string, like?: Vector): Measured {
  requireVector(vector, name)
  if (like) requireSameLength(like, vector, name)
  if (metric !== 'cosine') return { vector, length: 1 }
  requireDirection(vector, name)
  return { vector, length: Math.sqrt(dotOf(vector, vector)) }
}

function measuredAll(vectors: readonly Vector[], metric: Metric, like = vectors[0]): readonly Measured[] {
  // `map` would pass over holes.
  return Array.from(vectors, (vector, at) => measured(vector, metric, `vector ${at}`, like))
}

function scoresOf(query: Measured, vectors: readonly Measured[], metric: Metric): Float64Array {
  const scores = new Float64Array(vectors.length)
  for (const [at, vector] of vectors.entries()) scores[at] = scoreOf(query, vector, metric)
  return scores
}

function scoreOf(a: Measured | undefined, b: Measured | undefined, metric: Metric): number {
  if (!a || !b) return Number.NaN
  switch (metric) {
    case 'cosine':
      return clampedCosine(dotOf(a.vector, b.vector), a.length * b.length)
    case 'dot':
      return dotOf(a.vector, b.vector)
    case 'euclidean':
      return Math.sqrt(squaredDistanceOf(a.vector, b.vector))
    case 'manhattan':
      return manhattanOf(a.vector, b.vector)
  }
}
