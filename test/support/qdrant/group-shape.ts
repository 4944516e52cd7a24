/** Requests that group, and the older search. */

import { type Filter, filter, filterProblems } from './filter-shape.ts'
import type { Json } from './json.ts'
import { jsonPath } from './json-path.ts'
import {
  prefetchProblems,
  queryInternal,
  type SearchParams,
  searchParams,
  searchParamsProblems,
  withPayload,
  withVector,
} from './query-shape.ts'
import {
  f32,
  flattened,
  json,
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
import { inRange, nested, type Problem } from './validation.ts'
import { type NamedVector, searchVector, sparseProblems } from './vector-shape.ts'

const withLookup = untagged<Json>(noVariant('WithLookupInterface'), string, json)

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
  struct('SearchRequestInternal', { ...searchFields, limit: required(usize, ['top']), offset: maybe(usize) }),
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

export const searchGroups = flattened('SearchGroupsRequest', (node, way) => ({
  ...struct('SearchGroupsRequestInternal', searchFields)(node, way),
  ...struct('BaseGroupRequest', {
    group_by: required(jsonPath),
    group_size: required(u32),
    limit: required(u32),
    with_lookup: maybe(withLookup),
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
