/** Universal queries: leaf searches, prefetches that are rescored or fused, ids that stand for vectors. */
import { ApiError } from './api-error.ts'
import { type Collection, onlyIds, withoutIds } from './collection.ts'
import { countConditions, type Filter, mergeFilters } from './filter-shape.ts'
import { rescoreByFormula } from './formula.ts'
import { distributionFusion, reciprocalRankFusion } from './fusion.ts'
import type { PointId } from './ids.ts'
import type { ContextPair, Prefetch, Query, QueryRequest, VectorInput } from './query-shape.ts'
import type { Scored } from './scored.ts'
import { type LeafOptions, searchOrdered, searchVectors, unscored, type VectorQuery } from './search.ts'
import { debugString } from './serde.ts'
import { checkVector, type StoredVector, similarity, unknownVector } from './vectors.ts'

export type FindCollection = (name: string) => Collection | undefined

/** Where a query runs, and how other collections are found. */
export interface QueryPlace {
  readonly collection: Collection
  readonly find: FindCollection
}

const defaultLimit = 10

export function runQuery(place: QueryPlace, request: QueryRequest): Scored[] {
  return runQueries(place, [request])[0] ?? []
}

/** Queries of one request are paid together. */
export function runQueries(place: QueryPlace, requests: readonly QueryRequest[]): Scored[][] {
  for (const request of requests) {
    checkReferences(place, request)
    checkRequest(request)
  }
  place.collection.spendRead(requests.reduce((sum, request) => sum + costOf(request), 0))
  return requests.map((request) => {
    const { offset = 0, limit = defaultLimit } = request
    const filter = withoutIds(request.filter, referencedIds(place, request))
    return execute(place, { ...request, filter }, limit + offset).slice(offset, offset + limit)
  })
}

function checkRequest({ prefetch = [], query, score_threshold, using }: Prefetch): void {
  if (prefetch.length > 0 && !query) {
    throw ApiError.badRequest(
      "A query is needed to merge the prefetches. Can't have prefetches without defining a query.",
    )
  }
  if (score_threshold !== undefined && query?.kind === 'order-by') {
    throw ApiError.badRequest("Can't use score_threshold with an order_by query.")
  }
  if (score_threshold !== undefined && !query) {
    throw ApiError.badRequest(
      "A query is needed to use the score_threshold. Can't have score_threshold without defining a query.",
    )
  }
  if ((query?.kind === 'rrf' || query?.kind === 'dbsf') && using) {
    throw ApiError.badRequest("Fusion queries cannot be combined with the 'using' field.")
  }
  for (const item of prefetch) checkRequest(item)
}

function execute(place: QueryPlace, request: Prefetch, limit: number): Scored[] {
  const { prefetch = [], query, filter } = request
  const options: LeafOptions = { using: request.using ?? '', filter, limit, threshold: request.score_threshold }
  if (prefetch.length === 0) return executeLeaf(place, request, options)
  const lists = prefetch.map((item) =>
    execute(place, { ...item, filter: mergeFilters(filter, item.filter) }, item.limit ?? defaultLimit),
  )
  if (query?.kind === 'rrf') return best(reciprocalRankFusion(lists, query), options)
  if (query?.kind === 'dbsf') return best(distributionFusion(lists), options)
  if (query?.kind === 'formula') return rescoreByFormula(place.collection, query.formula, { lists, options })
  const ids = new Set(lists.flat().map(({ id }) => id))
  return executeLeaf(place, request, { ...options, filter: onlyIds(ids) })
}

function best(points: readonly Scored[], { limit, threshold }: LeafOptions): Scored[] {
  return points.filter(({ score }) => threshold === undefined || score >= threshold).slice(0, limit)
}

function executeLeaf(place: QueryPlace, request: Prefetch, options: LeafOptions): Scored[] {
  const { collection } = place
  const { query } = request
  switch (query?.kind) {
    case undefined:
      return collection.select(options.filter).slice(0, options.limit).map(unscored)
    case 'rrf':
    case 'dbsf':
      throw ApiError.badInput('Validation failed: cannot apply Fusion without prefetches')
    case 'formula':
      throw ApiError.badInput('Validation failed: cannot apply Formula without prefetches')
    case 'order-by':
      return searchOrdered(collection, query.orderBy, options)
    case 'sample':
      return shuffled(collection.select(options.filter)).slice(0, options.limit).map(unscored)
    case 'nearest':
    case 'recommend':
    case 'discover':
    case 'context':
      return executeVectors(place, { request, query }, options)
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

type VectorKind = Extract<Query, { kind: 'nearest' | 'recommend' | 'discover' | 'context' }>

function executeVectors(
  place: QueryPlace,
  { request, query }: { request: Prefetch; query: VectorKind },
  options: LeafOptions,
): Scored[] {
  const resolved = resolve(place, request, query)
  if (query.kind !== 'nearest' || !query.mmr) return searchVectors(place.collection, resolved, options)
  const candidates = query.mmr.candidates_limit ?? options.limit
  const nearest = searchVectors(place.collection, resolved, { ...options, limit: candidates })
  return diversified(place.collection, nearest, { using: options.using, diversity: query.mmr.diversity ?? 0.5 }).slice(
    0,
    options.limit,
  )
}

/** Maximal marginal relevance: the best first, then what is like the query and unlike what was chosen. */
function diversified(
  collection: Collection,
  candidates: readonly Scored[],
  { using, diversity }: { using: string; diversity: number },
): Scored[] {
  const distance = collection.schema.dense.get(using)?.distance ?? 'Dot'
  const remaining = [...candidates]
  const chosen: Scored[] = []
  const alike = (a: Scored, b: Scored) => {
    const [first, second] = [collection.get(a.id)?.vectors.get(using), collection.get(b.id)?.vectors.get(using)]
    return first && second ? similarity(distance, first, second) : 0
  }
  while (remaining.length > 0) {
    const scores = remaining.map((candidate) => {
      const nearest = chosen.length === 0 ? 0 : Math.max(...chosen.map((other) => alike(candidate, other)))
      return (1 - diversity) * candidate.score - diversity * nearest
    })
    const position = chosen.length === 0 ? 0 : scores.indexOf(Math.max(...scores))
    chosen.push(...remaining.splice(position, 1))
  }
  return chosen
}

function resolve(place: QueryPlace, request: Prefetch, query: VectorKind): VectorQuery {
  const vector = (input: VectorInput) => vectorOf(place, request, input)
  const pair = ({ positive, negative }: ContextPair) => ({ positive: vector(positive), negative: vector(negative) })
  switch (query.kind) {
    case 'nearest':
      return { kind: 'nearest', vector: vector(query.nearest) }
    case 'discover':
      return { kind: 'discover', target: vector(query.target), pairs: query.context.map(pair) }
    case 'context':
      return { kind: 'context', pairs: query.context.map(pair) }
    case 'recommend':
      return recommend(query, vector)
  }
}

type Recommend = Extract<Query, { kind: 'recommend' }>

function recommend(query: Recommend, vector: (input: VectorInput) => StoredVector): VectorQuery {
  const [positive, negative] = [query.positive.map(vector), query.negative.map(vector)]
  if (query.strategy !== 'average_vector') {
    return { kind: query.strategy === 'best_score' ? 'best-score' : 'sum-scores', positive, negative }
  }
  const liked = average(positive)
  if (negative.length === 0) return { kind: 'nearest', vector: { kind: 'dense', values: liked } }
  const disliked = average(negative)
  if (liked.length !== disliked.length) {
    throw ApiError.badInput('Positive and negative vectors should have the same dimension')
  }
  const values = liked.map((value, index) => Math.fround(Math.fround(value + value) - (disliked[index] ?? 0)))
  return { kind: 'nearest', vector: { kind: 'dense', values } }
}

function average(vectors: readonly StoredVector[]): Float32Array {
  const rows = vectors.map((vector) => {
    if (vector.kind === 'dense') return vector.values
    throw ApiError.badInput("Can't average vectors of this kind")
  })
  const [first] = rows
  if (!first) throw ApiError.badInput('Positive vectors should not be empty with `average` strategy')
  return first.map((_, index) => {
    const sum = rows.reduce((total, row) => Math.fround(total + (row[index] ?? 0)), 0)
    return Math.fround(sum / rows.length)
  })
}

function vectorOf(place: QueryPlace, request: Prefetch, input: VectorInput): StoredVector {
  const name = request.lookup_from?.vector ?? request.using ?? ''
  if (input.kind === 'vector') return input.vector
  if (input.kind === 'inference') {
    checkVector(place.collection.schema, name, input)
    return input
  }
  const collection = lookupCollection(place, request)
  const vector = collection.require(input.id).vectors.get(name)
  if (vector) return vector
  if (!collection.config.hasVector(name)) throw unknownVector(name)
  throw ApiError.notFound(`Vector with name ${debugString(name)} for point not found`)
}

function lookupCollection({ collection, find }: QueryPlace, { lookup_from }: Prefetch): Collection {
  if (!lookup_from) return collection
  const other = find(lookup_from.collection)
  if (other) return other
  throw ApiError.notFound(`Collection ${lookup_from.collection} not found`)
}

function inputsOf(query: Query | undefined): readonly VectorInput[] {
  switch (query?.kind) {
    case 'nearest':
      return [query.nearest]
    case 'recommend':
      return [...query.positive, ...query.negative]
    case 'discover':
      return [query.target, ...query.context.flatMap(({ positive, negative }) => [positive, negative])]
    case 'context':
      return query.context.flatMap(({ positive, negative }) => [positive, negative])
    default:
      return []
  }
}

const idsOf = (query: Query | undefined) => inputsOf(query).flatMap((input) => (input.kind === 'id' ? [input.id] : []))

/** Every id that is named must exist, in the root and in the prefetches. */
function checkReferences(place: QueryPlace, request: Prefetch): void {
  const ids = idsOf(request.query)
  if (ids.length > 0) {
    const collection = lookupCollection(place, request)
    collection.spendRead(ids.length)
    for (const id of ids) collection.require(id)
  }
  for (const item of request.prefetch ?? []) checkReferences(place, item)
}

/** Points that a query names are not part of its answer, unless they live in another collection. */
function referencedIds(place: QueryPlace, request: Prefetch): ReadonlySet<PointId> {
  const isHere = !request.lookup_from || place.find(request.lookup_from.collection) === place.collection
  const own = isHere ? idsOf(request.query) : []
  return new Set([...own, ...(request.prefetch ?? []).flatMap((item) => [...referencedIds(place, item)])])
}

function costOf(request: Prefetch): number {
  const { prefetch = [], query } = request
  if (prefetch.length > 0) return prefetch.reduce((sum, item) => sum + costOf(withFilter(item, request.filter)), 0)
  const conditions = request.filter ? countConditions(request.filter) : 0
  const inputs = inputsOf(query)
  return conditions + (inputs.length === 0 ? 1 : inputs.reduce((sum, input) => sum + inputCost(input), 0))
}

const withFilter = (item: Prefetch, filter: Filter | undefined): Prefetch => ({
  ...item,
  filter: mergeFilters(filter, item.filter),
})

function inputCost(input: VectorInput): number {
  if (input.kind !== 'vector' || input.vector.kind === 'dense') return 1
  return input.vector.kind === 'multi' ? input.vector.vectors.length : Math.ceil(input.vector.indices.length / 64)
}
