/** How many points a filter may select, as the server guesses it before it counts: what has no index selects half of all. */
import type { Collection } from './collection.ts'
import type { Condition, Filter } from './filter-shape.ts'
import { printPath } from './json-path.ts'

export function estimatedCount(collection: Collection, filter: Filter | undefined): number {
  const total = collection.size
  if (!filter || total === 0) return total
  const share = (condition: Condition) => estimatedCondition(collection, condition) / total
  const shares: number[] = (filter.must ?? []).map(share)
  shares.push(...(filter.must_not ?? []).map((condition) => 1 - share(condition)))
  if (filter.should?.length) {
    const none = filter.should.reduce((product, condition) => product * (1 - share(condition)), 1)
    shares.push(Math.round((1 - none) * total) / total)
  }
  return Math.round(shares.reduce((product, each) => product * each, 1) * total)
}

function estimatedCondition(collection: Collection, condition: Condition): number {
  if (condition.kind === 'has-id') return [...condition.ids].filter((id) => collection.get(id)).length
  if (condition.kind === 'filter') return estimatedCount(collection, condition.filter)
  const index = condition.kind === 'field' ? collection.indexes.get(printPath(condition.field.key)) : undefined
  const candidates = condition.kind === 'field' ? index?.candidates(condition.field.match) : undefined
  return candidates?.length ?? Math.floor(collection.size / 2)
}
