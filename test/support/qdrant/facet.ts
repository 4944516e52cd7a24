/** How many points have each value of an indexed field. */
import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import type { IndexedValue } from './field-index.ts'
import type { Filter } from './filter-shape.ts'
import { type JsonPath, printPath } from './json-path.ts'
import type { Answer } from './write-json.ts'

export function countFacets(
  collection: Collection,
  request: { readonly key: JsonPath; readonly filter: Filter | undefined; readonly limit: number },
): Answer {
  const name = printPath(request.key)
  const index = collection.indexes.get(name)
  if (collection.size === 0) return { hits: [] }
  if (!index?.canLookUp) {
    throw ApiError.badInput(
      `No appropriate index for faceting: \`${name}\`. Please create one to facet on this field. Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Match conditions`,
    )
  }
  const counts = new Map<IndexedValue, number>()
  for (const point of collection.select(request.filter)) {
    for (const value of new Set(index.valuesOf(point.id))) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  const hits = [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
  return { hits: hits.slice(0, request.limit).map(([value, count]) => ({ value: scalar(value), count })) }
}

const scalar = (value: IndexedValue) => (typeof value === 'object' ? null : value)
