/** Results grouped by a payload field. */

import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import { type Filter, mergeFilters } from './filter-shape.ts'
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
  readonly with_lookup: Json | undefined
}

type GroupKey = string | number | bigint

export function runGroups(
  place: QueryPlace,
  request: QueryRequest,
  { grouping, shown }: { grouping: Grouping; shown: Shown },
): Answer {
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
function lookupOf(place: QueryPlace, request: Json | undefined): ((id: GroupKey) => Answer | undefined) | undefined {
  if (request === undefined) return undefined
  const name = request instanceof Map ? request.get('collection') : request
  const other = typeof name === 'string' ? place.find(name) : undefined
  if (!other) throw ApiError.notFound(`Collection ${String(name)} not found`)
  return (id) => {
    const point = other.get(id)
    return point && showRecord(other, point, { withPayload: true, withVector: false })
  }
}
