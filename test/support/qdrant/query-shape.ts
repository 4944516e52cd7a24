/** Requests that read points: retrieve, scroll, count, facet, query. */
import { datetime } from './datetime.ts'
import { type Filter, filter, filterProblems } from './filter-shape.ts'
import { type Formula, formula, formulaProblems } from './formula-shape.ts'
import { type PointId, pointId } from './ids.ts'
import { type JsonPath, jsonPath, type PayloadSelector } from './json-path.ts'
import {
  boolean,
  type Decode,
  f32,
  f64,
  flattened,
  i64,
  json,
  list,
  maybe,
  noVariant,
  oneOrMany,
  option,
  optional,
  required,
  string,
  struct,
  untagged,
  usize,
  variants,
} from './serde.ts'
import { type ShardKeys, shardKeys } from './shard-key.ts'
import { inRange, nested, type Problem, problem, problemsOfList } from './validation.ts'
import {
  dense,
  type InferenceObject,
  inference,
  multi,
  multiProblems,
  sparse,
  sparseProblems,
  type Vector,
} from './vector-shape.ts'

export type WithPayload = boolean | PayloadSelector
export type WithVector = boolean | readonly string[]

const include = struct<{ include: JsonPath[] }>(
  'PayloadSelectorInclude',
  { include: required(list(jsonPath)) },
  { denyUnknown: true },
)
const exclude = struct<{ exclude: JsonPath[] }>(
  'PayloadSelectorExclude',
  { exclude: required(list(jsonPath)) },
  { denyUnknown: true },
)

export const withPayload = untagged<WithPayload>(
  'Expected a boolean, an array of strings, or an object with an include/exclude field',
  boolean,
  (node, way) => ({ kind: 'include', paths: list(jsonPath)(node, way) }),
  (node, way) => ({ kind: 'include', paths: include(node, way).include }),
  (node, way) => ({ kind: 'exclude', paths: exclude(node, way).exclude }),
)

export const withVector = untagged<WithVector>('Expected a boolean, or an array of strings', boolean, list(string))
const vectorsField = optional<WithVector>(withVector, () => false, ['with_vectors'])

export const retrieve = flattened(
  'PointRequest',
  struct('PointRequestInternal', {
    ids: required(list(pointId)),
    with_payload: maybe(withPayload),
    with_vector: vectorsField,
    shard_key: shardKeys,
  }),
)

export type Direction = 'asc' | 'desc'

export interface OrderBy {
  readonly key: JsonPath
  readonly direction: Direction | undefined
  /** Numbers, or microseconds. */
  readonly start_from: { readonly kind: 'number' | 'datetime'; readonly value: number } | undefined
}

const startFrom = untagged<NonNullable<OrderBy['start_from']>>(
  noVariant('StartFrom'),
  (node, way) => ({ kind: 'number', value: Number(i64(node, way)) }),
  (node, way) => ({ kind: 'number', value: f64(node, way) }),
  (node, way) => ({ kind: 'datetime', value: Number(datetime(node, way)) }),
)

const orderBy = untagged<OrderBy>(
  'Expected a string, or an object with a key, direction and/or start_from',
  (node, way) => ({ key: jsonPath(node, way), direction: undefined, start_from: undefined }),
  struct<OrderBy>('OrderBy', {
    key: required(jsonPath),
    direction: maybe(variants('asc', 'desc')),
    start_from: maybe(startFrom),
  }),
)

const scrollFields = struct('ScrollRequestInternal', {
  offset: maybe(pointId),
  limit: maybe(usize),
  filter: maybe(filter),
  with_payload: maybe(withPayload),
  with_vector: vectorsField,
  order_by: maybe(orderBy),
  shard_key: shardKeys,
})

export type Scroll = ReturnType<typeof scrollFields>

export const scroll = flattened('ScrollRequest', scrollFields)

export const scrollProblems = (request: Scroll): Problem[] =>
  nested('scroll_request', [
    ...inRange('limit', request.limit, { min: 1 }),
    ...nested('filter', filterProblems(request.filter)),
  ])

export const count = flattened(
  'CountRequest',
  struct('CountRequestInternal', { filter: maybe(filter), exact: optional(boolean, () => true), shard_key: shardKeys }),
)

export const countProblems = (request: ReturnType<typeof count>): Problem[] =>
  nested('count_request', nested('filter', filterProblems(request.filter)))

export const facet = flattened(
  'FacetRequest',
  struct('FacetRequestInternal', {
    key: required(jsonPath),
    limit: maybe(usize),
    filter: maybe(filter),
    exact: maybe(boolean),
    shard_key: shardKeys,
  }),
)

export const facetProblems = (request: ReturnType<typeof facet>): Problem[] =>
  nested('facet_request', [
    ...inRange('limit', request.limit, { min: 1 }),
    ...nested('filter', filterProblems(request.filter)),
  ])

export const searchParams = struct('SearchParams', {
  hnsw_ef: maybe(usize),
  exact: optional(boolean, () => false),
  quantization: optional(
    option(
      struct('QuantizationSearchParams', {
        ignore: optional(boolean, () => false),
        rescore: optional(option(boolean), () => undefined),
        oversampling: optional(option(f64), () => undefined),
      }),
    ),
    () => undefined,
  ),
  indexed_only: optional(boolean, () => false),
  acorn: optional(option(json), () => undefined),
})

export type SearchParams = ReturnType<typeof searchParams>

export const searchParamsProblems = (params: SearchParams | undefined): Problem[] =>
  nested(
    'params',
    nested('quantization', inRange('oversampling', params?.quantization?.oversampling, { min: 1, isFloat: true })),
  )

/** A vector, or the id of a point that has it. */
export type VectorInput =
  | { readonly kind: 'vector'; readonly vector: Exclude<Vector, InferenceObject> }
  | { readonly kind: 'id'; readonly id: PointId }
  | InferenceObject

const vectorInput = untagged<VectorInput>(
  noVariant('VectorInput'),
  (node, way) => ({ kind: 'vector', vector: dense(node, way) }),
  (node, way) => ({ kind: 'vector', vector: sparse(node, way) }),
  (node, way) => ({ kind: 'vector', vector: multi(node, way) }),
  (node, way) => ({ kind: 'id', id: pointId(node, way) }),
  inference,
)

function inputProblems(input: VectorInput): Problem[] {
  if (input.kind !== 'vector') return []
  if (input.vector.kind === 'sparse') return sparseProblems(input.vector)
  return input.vector.kind === 'multi' ? multiProblems(input.vector) : []
}

export interface ContextPair {
  readonly positive: VectorInput
  readonly negative: VectorInput
}

export interface Mmr {
  readonly diversity: number | undefined
  readonly candidates_limit: number | undefined
}

export type RecommendStrategy = 'average_vector' | 'best_score' | 'sum_scores'

export type Query =
  | { readonly kind: 'nearest'; readonly nearest: VectorInput; readonly mmr: Mmr | undefined }
  | {
      readonly kind: 'recommend'
      readonly positive: readonly VectorInput[]
      readonly negative: readonly VectorInput[]
      readonly strategy: RecommendStrategy
    }
  | { readonly kind: 'discover'; readonly target: VectorInput; readonly context: readonly ContextPair[] }
  | { readonly kind: 'context'; readonly context: readonly ContextPair[] }
  | { readonly kind: 'order-by'; readonly orderBy: OrderBy }
  | { readonly kind: 'rrf'; readonly k: number | undefined; readonly weights: readonly number[] | undefined }
  | { readonly kind: 'dbsf' }
  | { readonly kind: 'formula'; readonly formula: Formula }
  | { readonly kind: 'sample' }

const pairs = oneOrMany(
  struct<ContextPair>('ContextPair', { positive: required(vectorInput), negative: required(vectorInput) }),
)

const recommendInput = struct('RecommendInput', {
  positive: maybe(list(vectorInput)),
  negative: maybe(list(vectorInput)),
  strategy: maybe(variants('average_vector', 'best_score', 'sum_scores')),
})

/** A query that is an object with one telling key. */
const keyed =
  <T>(key: string, name: string, inner: { decode: Decode<T>; make: (value: T) => Query }): Decode<Query> =>
  (node, way) =>
    inner.make(struct<Record<string, T>>(name, { [key]: required(inner.decode) })(node, way)[key] as T)

const nearestQuery: Decode<Query> = (node, way) => ({
  kind: 'nearest',
  ...struct('NearestQuery', {
    nearest: required(vectorInput),
    mmr: maybe(struct<Mmr>('Mmr', { diversity: maybe(f32), candidates_limit: maybe(usize) })),
  })(node, way),
})

const query = untagged<Query>(
  'Expected some form of vector, id, or a type of query',
  (node, way) => ({ kind: 'nearest', nearest: vectorInput(node, way), mmr: undefined }),
  nearestQuery,
  keyed('recommend', 'RecommendQuery', {
    decode: recommendInput,
    make: ({ positive = [], negative = [], strategy = 'average_vector' }) => ({
      kind: 'recommend',
      positive,
      negative,
      strategy,
    }),
  }),
  keyed('discover', 'DiscoverQuery', {
    decode: struct<{ target: VectorInput; context: ContextPair[] | undefined }>('DiscoverInput', {
      target: required(vectorInput),
      context: required(pairs),
    }),
    make: ({ target, context }) => ({ kind: 'discover', target, context: context ?? [] }),
  }),
  keyed('context', 'ContextQuery', { decode: pairs, make: (context) => ({ kind: 'context', context: context ?? [] }) }),
  keyed('order_by', 'OrderByQuery', { decode: orderBy, make: (value) => ({ kind: 'order-by', orderBy: value }) }),
  keyed('fusion', 'FusionQuery', {
    decode: variants('rrf', 'dbsf'),
    make: (fusion): Query => (fusion === 'dbsf' ? { kind: 'dbsf' } : { kind: 'rrf', k: undefined, weights: undefined }),
  }),
  keyed('rrf', 'RrfQuery', {
    decode: struct<{ k: number | undefined; weights: number[] | undefined }>('Rrf', {
      k: optional(option(usize), () => undefined),
      weights: optional(option(list(f32)), () => undefined),
    }),
    make: (rrf) => ({ kind: 'rrf', ...rrf }),
  }),
  (node, way) => ({ kind: 'formula', formula: formula(node, way) }),
  keyed('sample', 'SampleQuery', { decode: variants('random'), make: () => ({ kind: 'sample' }) }),
)

function queryProblems(candidate: Query | undefined): Problem[] {
  if (!candidate) return []
  switch (candidate.kind) {
    case 'nearest':
      return candidate.mmr
        ? [...nested('nearest', inputProblems(candidate.nearest)), ...nested('mmr', mmrProblems(candidate.mmr))]
        : inputProblems(candidate.nearest)
    case 'recommend':
      return nested('recommend', recommendProblems([...candidate.positive, ...candidate.negative]))
    case 'rrf':
      return nested('rrf', inRange('k', candidate.k, { min: 1 }))
    case 'formula':
      return formulaProblems(candidate.formula)
    default:
      return []
  }
}

const mmrProblems = ({ diversity, candidates_limit }: Mmr): Problem[] => [
  ...inRange('diversity', diversity, { min: 0, max: 1, isFloat: true }),
  ...inRange('candidates_limit', candidates_limit, { max: 16_384 }),
]

function recommendProblems(inputs: readonly VectorInput[]): readonly Problem[] {
  if (inputs.length > 0) return inputs.map(inputProblems).find((problems) => problems.length > 0) ?? []
  return [problem('positives, negatives', 'At least one positive or negative vector/id must be provided')]
}

export interface LookupLocation {
  readonly collection: string
  readonly vector: string | undefined
}

const lookupLocation = struct<LookupLocation>('LookupLocation', {
  collection: required(string),
  vector: optional(option(string), () => undefined),
})

export interface Prefetch {
  readonly prefetch: readonly Prefetch[] | undefined
  readonly query: Query | undefined
  readonly using: string | undefined
  readonly filter: Filter | undefined
  readonly params: SearchParams | undefined
  readonly score_threshold: number | undefined
  readonly limit: number | undefined
  readonly lookup_from: LookupLocation | undefined
}

export interface QueryRequest extends Prefetch {
  readonly offset: number | undefined
  readonly with_vector: WithVector | undefined
  readonly with_payload: WithPayload | undefined
  readonly shard_key?: ShardKeys | undefined
}

const prefetch: Decode<Prefetch> = (node, way) => readPrefetch(node, way)

const prefetchFields = {
  prefetch: optional(oneOrMany(prefetch), () => undefined),
  query: maybe(query),
  using: maybe(string),
  filter: maybe(filter),
  params: maybe(searchParams),
  score_threshold: maybe(f32),
  limit: maybe(usize),
  lookup_from: optional(option(lookupLocation), () => undefined),
}

const readPrefetch = struct<Prefetch>('Prefetch', prefetchFields)

export const queryInternal = struct<QueryRequest>('QueryRequestInternal', {
  ...prefetchFields,
  offset: maybe(usize),
  with_vector: maybe(withVector, ['with_vectors']),
  with_payload: maybe(withPayload),
  shard_key: shardKeys,
})

export const queryRequest = flattened('QueryRequest', queryInternal)

export const queryBatch = struct<{ searches: QueryRequest[] }>('QueryRequestBatch', {
  searches: required(list(queryRequest)),
})

export const prefetchProblems = (request: Omit<Prefetch, 'limit'>): Problem[] => [
  ...problemsOfList('prefetch', request.prefetch ?? [], (item) => [
    ...prefetchProblems(item),
    ...inRange('limit', item.limit, { min: 1 }),
  ]),
  ...nested('query', queryProblems(request.query)),
  ...nested('filter', filterProblems(request.filter)),
  ...searchParamsProblems(request.params),
]

export const queryRequestProblems = (request: QueryRequest): Problem[] =>
  nested('internal', [...prefetchProblems(request), ...inRange('limit', request.limit, { min: 1 })])

export const queryBatchProblems = ({ searches }: { searches: readonly QueryRequest[] }) =>
  problemsOfList('searches', searches, queryRequestProblems)
