/** Requests that group, and the older search. */

import { type Filter, filter, filterProblems } from './filter-shape.ts'
import { jsonPath } from './json-path.ts'
import {
  prefetchProblems,
  queryInternal,
  type SearchParams,
  searchParams,
  searchParamsProblems,
  type WithPayload,
  type WithVector,
  withPayload,
  withVector,
} from './query-shape.ts'
import {
  f32,
  flattened,
  list,
  maybe,
  noVariant,
  option,
  optional,
  required,
  string,
  struct,
  u32,
  untagged,
  usize,
} from './serde.ts'
import { shardKeys } from './shard-key.ts'
import { inRange, nested, type Problem, problemsOfList } from './validation.ts'
import { type NamedVector, searchVector, sparseProblems } from './vector-shape.ts'

/** Which points of another collection are shown beside the groups, and how. */
export interface WithLookup {
  readonly collection: string
  readonly with_payload: WithPayload | undefined
  readonly with_vectors: WithVector | undefined
}

const withLookup = untagged<WithLookup>(
  noVariant('WithLookupInterface'),
  (node, way) => ({ collection: string(node, way), with_payload: true, with_vectors: undefined }),
  struct<WithLookup>('WithLookup', {
    collection: required(string),
    with_payload: optional<WithPayload | undefined>(option(withPayload), () => true),
    with_vectors: optional<WithVector | undefined>(option(withVector), () => undefined, ['with_vector']),
  }),
)

export const queryGroups = flattened('QueryGroupsRequest', (node, way) => ({
  ...queryInternal(node, way),
  ...struct('QueryBaseGroupRequest', {
    group_by: required(jsonPath),
    group_size: maybe(usize),
    limit: maybe(usize),
    with_lookup: maybe(withLookup),
  })(node, way),
}))

export const queryGroupsProblems = (request: ReturnType<typeof queryGroups>): Problem[] =>
  nested('search_group_request', [
    ...prefetchProblems(request),
    ...nested('group_request', [
      ...inRange('group_size', request.group_size, { min: 1 }),
      ...inRange('limit', request.limit, { min: 1 }),
    ]),
  ])

const searchFields = {
  vector: required(searchVector),
  filter: maybe(filter),
  params: maybe(searchParams),
  with_payload: maybe(withPayload),
  with_vector: optional(option(withVector), () => undefined, ['with_vectors']),
  score_threshold: maybe(f32),
}

export const search = flattened(
  'SearchRequest',
  struct('SearchRequestInternal', {
    ...searchFields,
    limit: required(usize, ['top']),
    offset: maybe(usize),
    shard_key: shardKeys,
  }),
)

const searchProblemsOf = (request: {
  vector: NamedVector
  filter: Filter | undefined
  params: SearchParams | undefined
}) => [
  ...nested('vector', request.vector.vector.kind === 'sparse' ? sparseProblems(request.vector.vector) : []),
  ...nested('filter', filterProblems(request.filter)),
  ...searchParamsProblems(request.params),
]

export const searchProblems = (request: ReturnType<typeof search>): Problem[] =>
  nested('search_request', [...searchProblemsOf(request), ...inRange('limit', request.limit, { min: 1 })])

export const searchBatch = struct('SearchRequestBatch', { searches: required(list(search)) })

export const searchBatchProblems = ({ searches }: ReturnType<typeof searchBatch>): Problem[] =>
  problemsOfList('searches', searches, searchProblems)

export const searchGroups = flattened('SearchGroupsRequest', (node, way) => ({
  ...struct('SearchGroupsRequestInternal', searchFields)(node, way),
  ...struct('BaseGroupRequest', {
    group_by: required(jsonPath),
    group_size: required(u32),
    limit: required(u32),
    with_lookup: maybe(withLookup),
    shard_key: shardKeys,
  })(node, way),
}))

export const searchGroupsProblems = (request: ReturnType<typeof searchGroups>): Problem[] =>
  nested('search_group_request', [
    ...searchProblemsOf(request),
    ...nested('group_request', [
      ...inRange('group_size', request.group_size, { min: 1 }),
      ...inRange('limit', request.limit, { min: 1 }),
    ]),
  ])
