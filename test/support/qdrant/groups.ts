/** Results grouped by a payload field. */

import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import { type Filter, mergeFilters } from './filter-shape.ts'
import type { WithLookup } from './group-shape.ts'
import type { PointId } from './ids.ts'
import type { Json } from './json.ts'
import { type JsonPath, valuesAt } from './json-path.ts'
import { type QueryPlace, runQuery } from './query.ts'
import type { QueryRequest } from './query-shape.ts'
import type { Scored, Shown } from './scored.ts'
import { showRecord, showScored } from './scored.ts'
import type { Answer } from './write-json.ts'

export interface Grouping {
  readonly group_by: JsonPath
  readonly group_size: number
  readonly limit: number
  readonly with_lookup: WithLookup | undefined
}

type GroupKey = string | number | bigint

export function runGroups(
  place: QueryPlace,
  request: QueryRequest,
  { grouping, shown }: { grouping: Grouping; shown: Shown },
): Answer {
  checkUsing(place.collection, request.using ?? '')
  const groups = new Map<GroupKey, Scored[]>()
  for (const hit of rankedPoints(place, request, grouping.group_by)) {
    for (const key of keysOf(place.collection, hit.id, grouping.group_by)) {
      const members = groups.get(key) ?? []
      if (members.length < grouping.group_size) members.push(hit)
      groups.set(key, members)
    }
  }
  const lookup = lookupOf(place, grouping.with_lookup)
  // Hits came best first, so groups stand in the order of their best member.
  const best = [...groups].slice(0, grouping.limit).map(([id, members]) => ({
    hits: showScored(place.collection, members, shown),
    id,
    lookup: lookup?.(id),
  }))
  return { groups: best }
}

function checkUsing(collection: Collection, name: string): void {
  if (collection.config.hasVector(name)) return
  const { dense, sparse } = collection.schema
  const names = [...dense.keys(), ...sparse.keys()]
  const isUnnamedOnly = names.length === 1 && names[0] === ''
  if (names.length === 0) throw ApiError.badInput('Vectors are not configured in this collection')
  if (isUnnamedOnly) throw ApiError.badInput(`Vector with name ${name} is not configured in this collection`)
  const available = `available names: ${names.join(', ')}`
  throw ApiError.badInput(
    name === ''
      ? `Collection requires specified vector name in the request, ${available}`
      : `Vector with name \`${name}\` is not configured in this collection, ${available}`,
  )
}

function rankedPoints(place: QueryPlace, request: QueryRequest, groupBy: JsonPath): Scored[] {
  const notEmpty: Filter = {
    should: undefined,
    min_should: undefined,
    must: undefined,
    must_not: [{ kind: 'is-empty', key: groupBy }],
  }
  const limit = Math.max(1, place.collection.size)
  const prefetch = request.prefetch?.map((item) => ({ ...item, limit: Math.max(item.limit ?? 10, limit) }))
  return runQuery(place, { ...request, prefetch, filter: mergeFilters(request.filter, notEmpty), limit, offset: 0 })
}

/** Only texts and integers make groups; one value of another kind keeps the point out of all. */
function keysOf(collection: Collection, id: PointId, path: JsonPath): readonly GroupKey[] {
  const values = valuesAt(collection.require(id).payload, path).flatMap((value) =>
    Array.isArray(value) ? value : [value],
  )
  const isKey = (value: Json): value is GroupKey =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
  return values.every(isKey) ? [...new Set(values)] : []
}

/** Points of another collection whose ids are the group ids. */
function lookupOf(
  place: QueryPlace,
  request: WithLookup | undefined,
): ((id: GroupKey) => Answer | undefined) | undefined {
  if (request === undefined) return undefined
  const { collection, with_payload = false, with_vectors = false } = request
  const other = place.find(collection)
  if (!other) throw ApiError.notFound(`Collection ${collection} not found`)
  return (id) => {
    const point = other.get(id)
    return point && showRecord(other, point, { withPayload: with_payload, withVector: with_vectors })
  }
}
