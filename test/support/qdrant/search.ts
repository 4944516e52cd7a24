/** Leaf queries: vectors against vectors, order by a field, all points. */
import { ApiError } from './api-error.ts'
import type { Collection, Point } from './collection.ts'
import type { Filter } from './filter-shape.ts'
import { compareIds } from './ids.ts'
import { Float } from './json.ts'
import { printPath } from './json-path.ts'
import type { OrderBy } from './query-shape.ts'
import type { Scored } from './scored.ts'
import type { SparseVector } from './vector-shape.ts'
import {
  checkVector,
  hasOverlap,
  isSmallBetter,
  prepared,
  type StoredVector,
  scoreOf,
  similarity,
  store,
} from './vectors.ts'
import type { Answer } from './write-json.ts'

/** A query whose ids were replaced by vectors. */
export type VectorQuery =
  | { readonly kind: 'nearest'; readonly vector: StoredVector }
  | {
      readonly kind: 'best-score' | 'sum-scores'
      readonly positive: readonly StoredVector[]
      readonly negative: readonly StoredVector[]
    }
  | { readonly kind: 'discover'; readonly target: StoredVector; readonly pairs: readonly VectorPair[] }
  | { readonly kind: 'context'; readonly pairs: readonly VectorPair[] }

export interface VectorPair {
  readonly positive: StoredVector
  readonly negative: StoredVector
}

export interface LeafOptions {
  readonly using: string
  readonly filter: Filter | undefined
  readonly limit: number
  readonly threshold: number | undefined
}

export function searchVectors(collection: Collection, query: VectorQuery, options: LeafOptions): Scored[] {
  const { using, filter, limit, threshold } = options
  const ready = mapVectors(query, (vector) => prepareQuery(collection, using, vector))
  const distance = collection.schema.dense.get(using)?.distance ?? 'Dot'
  const isSmall = query.kind === 'nearest' && isSmallBetter(distance)
  const hits = collection.select(filter).flatMap((point): Scored[] => {
    const stored = point.vectors.get(using)
    if (!stored || !isComparable(ready, stored)) return []
    const measure = (vector: StoredVector) => similarity(distance, vector, stored)
    const score = ready.kind === 'nearest' ? scoreOf(distance, measure(ready.vector)) : combined(ready, measure)
    const passes = threshold === undefined || (isSmall ? score < threshold : score > threshold)
    return passes ? [{ id: point.id, version: point.version, score }] : []
  })
  return hits
    .sort((a, b) => (isSmall ? a.score - b.score : b.score - a.score) || compareIds(a.id, b.id))
    .slice(0, limit)
}

/** A sparse search finds only points that share a dimension with the query. */
const isComparable = (query: VectorQuery, stored: StoredVector) =>
  query.kind !== 'nearest' ||
  query.vector.kind !== 'sparse' ||
  (stored.kind === 'sparse' && hasOverlap(query.vector, stored))

function mapVectors(query: VectorQuery, change: (vector: StoredVector) => StoredVector): VectorQuery {
  const pair = ({ positive, negative }: VectorPair) => ({ positive: change(positive), negative: change(negative) })
  switch (query.kind) {
    case 'nearest':
      return { ...query, vector: change(query.vector) }
    case 'discover':
      return { ...query, target: change(query.target), pairs: query.pairs.map(pair) }
    case 'context':
      return { ...query, pairs: query.pairs.map(pair) }
    default:
      return { ...query, positive: query.positive.map(change), negative: query.negative.map(change) }
  }
}

function prepareQuery(collection: Collection, using: string, vector: StoredVector): StoredVector {
  checkVector(collection.schema, using, vector)
  if (vector.kind === 'sparse')
    return weighted(collection, using, store(collection.schema, using, vector) as SparseVector)
  const params = collection.schema.dense.get(using)
  if (!params) return vector
  if (vector.kind === 'dense') return { kind: 'dense', values: prepared(params, vector.values) }
  return { kind: 'multi', vectors: vector.vectors.map((row) => prepared(params, row)) }
}

/** With the modifier `idf` rare dimensions weigh more. */
function weighted(collection: Collection, using: string, vector: SparseVector): SparseVector {
  if (collection.schema.sparse.get(using)?.modifier !== 'idf') return vector
  const all = [...collection.points()].flatMap(({ vectors }) => {
    const stored = vectors.get(using)
    return stored?.kind === 'sparse' ? [stored] : []
  })
  const weights = vector.indices.map((index) => {
    const having = all.filter(({ indices }) => indices.includes(index)).length
    const ratio = Math.fround(Math.fround(all.length - having + 0.5) / Math.fround(having + 0.5))
    return Math.fround(Math.log(Math.fround(ratio + 1)))
  })
  return { ...vector, values: vector.values.map((value, position) => Math.fround(value * (weights[position] ?? 1))) }
}

const sigmoid = (value: number) => Math.fround(value / Math.fround(1 + Math.abs(value)))
const scaledSigmoid = (value: number) => Math.fround(0.5 * Math.fround(sigmoid(value) + 1))

function combined(query: Exclude<VectorQuery, { kind: 'nearest' }>, measure: (vector: StoredVector) => number): number {
  switch (query.kind) {
    case 'best-score': {
      const best = Math.max(Number.NEGATIVE_INFINITY, ...query.positive.map(measure))
      const worst = Math.max(Number.NEGATIVE_INFINITY, ...query.negative.map(measure))
      return best > worst ? scaledSigmoid(best) : -scaledSigmoid(worst)
    }
    case 'sum-scores': {
      const sum = (vectors: readonly StoredVector[]) =>
        vectors.reduce((total, vector) => Math.fround(total + measure(vector)), 0)
      return Math.fround(sum(query.positive) - sum(query.negative))
    }
    case 'discover': {
      const rank = query.pairs.reduce(
        (sum, { positive, negative }) => sum + Math.sign(measure(positive) - measure(negative)),
        0,
      )
      return Math.fround(rank + scaledSigmoid(measure(query.target)))
    }
    case 'context':
      return query.pairs.reduce((sum, { positive, negative }) => {
        const difference = Math.fround(measure(positive) - measure(negative) - 1.1920929e-7)
        return Math.fround(sum + sigmoid(Math.min(difference, 0)))
      }, 0)
  }
}

/** Queries without a score: version 0 and score 1 is what the server says. */
export const unscored = (point: Point): Scored => ({ id: point.id, version: 0, score: 1 })

interface Ordered {
  readonly point: Point
  readonly value: number | bigint
  readonly shown: Answer
}

/** Points by the values of an indexed field; a point with several values comes several times. */
export function orderedPoints(collection: Collection, orderBy: OrderBy, filter: Filter | undefined): Ordered[] {
  const index = collection.indexes.get(printPath(orderBy.key))
  if (!index?.canRange) {
    throw ApiError.badInput(
      `No range index for \`order_by\` key: \`${printPath(orderBy.key)}\`. Please create one to use \`order_by\`. Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range conditions`,
    )
  }
  const isDown = orderBy.direction === 'desc'
  const start = orderBy.start_from?.value
  const isReached = (value: number | bigint) => start === undefined || (isDown ? value <= start : value >= start)
  const entries = collection.select(filter).flatMap((point) =>
    index.valuesOf(point.id).flatMap((value): Ordered[] => {
      if ((typeof value !== 'number' && typeof value !== 'bigint') || !isReached(value)) return []
      return [{ point, value, shown: index.schema.type === 'float' ? new Float(Number(value)) : value }]
    }),
  )
  return entries.sort((a, b) => (isDown ? -1 : 1) * compareOrdered(a, b))
}

function compareOrdered(a: Ordered, b: Ordered): number {
  if (a.value === b.value) return compareIds(a.point.id, b.point.id)
  return a.value < b.value ? -1 : 1
}

export const searchOrdered = (collection: Collection, orderBy: OrderBy, options: LeafOptions): Scored[] =>
  orderedPoints(collection, orderBy, options.filter)
    .slice(0, options.limit)
    .map(({ point, shown }) => ({ ...unscored(point), orderValue: shown }))

/** Ids above or equal to an offset; one more than asked for tells where the next page starts. */
export function pageOf(points: readonly Point[], limit: number) {
  const page = points.slice(0, limit)
  return { points: page, next: points[limit]?.id ?? null }
}
