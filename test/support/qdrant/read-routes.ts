/** Routes that read points. */
import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import { collectionName, collectionOf, type Exchange, type Reply, readBody } from './exchange.ts'
import { countFacets } from './facet.ts'
import { countConditions, type Filter } from './filter-shape.ts'
import {
  queryGroups,
  queryGroupsProblems,
  search,
  searchBatch,
  searchBatchProblems,
  searchGroups,
  searchGroupsProblems,
  searchProblems,
} from './group-shape.ts'
import { type Grouping, runGroups } from './groups.ts'
import { compareIds, parsePointId } from './ids.ts'
import { type ReadParams, readParams } from './params.ts'
import { type QueryPlace, runQueries, runQuery } from './query.ts'
import {
  count,
  countProblems,
  facet,
  facetProblems,
  type QueryRequest,
  queryBatch,
  queryBatchProblems,
  queryRequest,
  queryRequestProblems,
  retrieve,
  type Scroll,
  scroll,
  scrollProblems,
} from './query-shape.ts'
import { type Shown, showRecord, showScored } from './scored.ts'
import { orderedPoints, pageOf } from './search.ts'
import type { Decode } from './serde.ts'
import { refuseShardKeys, type ShardKeys } from './shard-key.ts'
import { checkBatchSize, checkGrouping, checkRead, checkTimeout } from './strict-mode.ts'
import type { Problem } from './validation.ts'
import type { NamedVector } from './vector-shape.ts'
import type { Answer } from './write-json.ts'

type Handler = (exchange: Exchange) => Reply

/** Reads path, body and parameters, finds the collection, and lets `run` answer. */
const reading =
  <T extends object>(
    body: { readonly decode: Decode<T>; readonly problems?: (value: T) => readonly Problem[] },
    run: (place: QueryPlace, value: T, params: ReadParams) => Answer,
  ): Handler =>
  (exchange) => {
    collectionName(exchange)
    const params = readParams(exchange.params)
    const value = readBody(exchange, body.decode, body.problems)
    const collection = collectionOf(exchange)
    if ('shard_key' in value) refuseShardKeys(value.shard_key as ShardKeys | undefined, ApiError.badRequest)
    return { result: run({ collection, find: (name) => exchange.database.find(name) }, value, params) }
  }

const costOf = (filter: Filter | undefined) => 1 + (filter ? countConditions(filter) : 0)

export const retrievePoints = reading({ decode: retrieve }, ({ collection }, request, { timeout }) => {
  checkTimeout(collection, timeout)
  collection.spendRead(request.ids.length)
  const shown = { withPayload: request.with_payload ?? false, withVector: request.with_vector }
  return [...new Set(request.ids)].flatMap((id) => {
    const point = collection.get(id)
    return point ? [showRecord(collection, point, shown)] : []
  })
})

export const retrievePoint: Handler = (exchange) => {
  collectionName(exchange)
  const { timeout } = readParams(exchange.params)
  const { id: text = '' } = exchange.path
  const id = parsePointId(text)
  if (timeout !== undefined) checkTimeout(collectionOf(exchange), timeout)
  if (id === undefined) throw ApiError.badInput(`Can not recognize "${text}" as point id`)
  const collection = collectionOf(exchange)
  collection.spendRead(1)
  const point = collection.get(id)
  if (!point) throw ApiError.notFound(`Point with id ${id} does not exists!`)
  return { result: showRecord(collection, point, { withPayload: true, withVector: true }) }
}

export const scrollPoints = reading(
  { decode: scroll, problems: scrollProblems },
  ({ collection }, request, { timeout }) => {
    checkRead(collection, { limit: request.limit, filter: request.filter, timeout })
    if (request.order_by && request.offset !== undefined) {
      throw ApiError.badInput(
        "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value",
      )
    }
    collection.spendRead(costOf(request.filter))
    return request.order_by ? scrollByField(collection, request) : scrollById(collection, request)
  },
)

const shownOf = (request: Scroll): Shown => ({
  withPayload: request.with_payload ?? true,
  withVector: request.with_vector,
})

function scrollById(collection: Collection, request: Scroll): Answer {
  const { offset, limit = 10 } = request
  const points = collection
    .select(request.filter)
    .filter(({ id }) => offset === undefined || compareIds(id, offset) >= 0)
  const page = pageOf(points, limit)
  return {
    points: page.points.map((point) => showRecord(collection, point, shownOf(request))),
    next_page_offset: page.next,
  }
}

function scrollByField(collection: Collection, request: Scroll): Answer {
  if (!request.order_by) return null
  const entries = orderedPoints(collection, request.order_by, request.filter).slice(0, request.limit ?? 10)
  const points = entries.map(({ point, shown }) => ({
    ...(showRecord(collection, point, shownOf(request)) as object),
    order_value: shown,
  }))
  return { points, next_page_offset: null }
}

export const countPoints = reading(
  { decode: count, problems: countProblems },
  ({ collection }, { filter, exact }, { timeout }) => {
    checkRead(collection, { filter, exact, timeout })
    collection.spendRead(costOf(filter))
    return { count: collection.select(filter).length }
  },
)

export const facetPoints = reading(
  { decode: facet, problems: facetProblems },
  ({ collection }, { key, limit = 10, filter, exact }, { timeout }) => {
    checkRead(collection, { limit, filter, exact, timeout })
    collection.spendRead(costOf(filter))
    return countFacets(collection, { key, limit, filter })
  },
)

function checkQuery({ collection }: QueryPlace, request: QueryRequest, { timeout }: ReadParams): void {
  const { limit = 10, filter, params } = request
  checkRead(collection, { limit, filter, params, timeout })
  for (const item of request.prefetch ?? []) checkPrefetch(collection, item)
}

function checkPrefetch(collection: Collection, item: NonNullable<QueryRequest['prefetch']>[number]): void {
  checkRead(collection, { limit: item.limit ?? 10, filter: item.filter, params: item.params })
  for (const inner of item.prefetch ?? []) checkPrefetch(collection, inner)
}

const shownByQuery = ({ with_payload, with_vector }: Pick<QueryRequest, 'with_payload' | 'with_vector'>): Shown => ({
  withPayload: with_payload ?? false,
  withVector: with_vector ?? false,
})

const answerQueries = (place: QueryPlace, requests: readonly QueryRequest[]): Answer[] =>
  runQueries(place, requests).map((points, index) => {
    const request = requests[index]
    return { points: request ? showScored(place.collection, points, shownByQuery(request)) : [] }
  })

export const queryPoints = reading(
  { decode: queryRequest, problems: queryRequestProblems },
  (place, request, params) => {
    checkQuery(place, request, params)
    return answerQueries(place, [request])[0] ?? null
  },
)

export const queryPointsBatch = reading(
  { decode: queryBatch, problems: queryBatchProblems },
  (place, { searches }, params) => {
    checkBatchSize(place.collection, searches.length)
    for (const request of searches) checkQuery(place, request, params)
    return answerQueries(place, searches)
  },
)

function group(place: QueryPlace, request: QueryRequest, grouping: Grouping): Answer {
  return runGroups(place, request, { grouping, shown: shownByQuery(request) })
}

export const queryPointGroups = reading(
  { decode: queryGroups, problems: queryGroupsProblems },
  (place, request, { timeout }) => {
    const { limit = 10, group_size = 3, group_by, with_lookup } = request
    checkGrouping(place.collection, group_by)
    checkRead(place.collection, { limit: limit * group_size, filter: request.filter, params: request.params, timeout })
    return group(place, request, { group_by, group_size, limit, with_lookup })
  },
)

interface SearchLike
  extends Pick<QueryRequest, 'filter' | 'params' | 'score_threshold' | 'with_vector' | 'with_payload'> {
  readonly vector: NamedVector
  readonly limit: number
  readonly offset?: number | undefined
}

/** The older search is a query for the nearest. */
const asQuery = ({ vector, offset, ...rest }: SearchLike): QueryRequest => ({
  ...rest,
  offset,
  query: { kind: 'nearest', nearest: { kind: 'vector', vector: vector.vector }, mmr: undefined },
  using: vector.name,
  prefetch: undefined,
  lookup_from: undefined,
})

function answerSearch(place: QueryPlace, request: SearchLike, params: ReadParams): Answer[] {
  const asked = asQuery(request)
  checkQuery(place, asked, params)
  return showScored(place.collection, runQuery(place, asked), shownByQuery(asked))
}

export const searchPoints = reading({ decode: search, problems: searchProblems }, answerSearch)

export const searchPointsBatch = reading(
  { decode: searchBatch, problems: searchBatchProblems },
  (place, { searches }, params) => {
    checkBatchSize(place.collection, searches.length)
    return searches.map((request) => answerSearch(place, request, params))
  },
)

export const searchPointGroups = reading(
  { decode: searchGroups, problems: searchGroupsProblems },
  (place, request, { timeout }) => {
    const { group_by, group_size, limit, with_lookup, filter, params } = request
    checkGrouping(place.collection, group_by)
    checkRead(place.collection, { limit: limit * group_size, filter, params, timeout })
    return group(place, asQuery(request), { group_by, group_size, limit, with_lookup })
  },
)
