/** One collection: its points, its payload indexes, and the count of its operations. */
import { ApiError } from './api-error.ts'
import { CollectionConfig } from './collection-config.ts'
import type { CreateCollection } from './collection-shape.ts'
import { FieldIndex } from './field-index.ts'
import { matches, type Subject } from './filter.ts'
import { type Condition, type Filter, mergeFilters } from './filter-shape.ts'
import { compareIds, type PointId } from './ids.ts'
import type { JsonObject } from './json.ts'
import { type JsonPath, printPath } from './json-path.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { FieldSchema } from './schema-shape.ts'
import type { StoredVector, VectorSchema } from './vectors.ts'

export interface Point {
  readonly id: PointId
  /** Number of the operation that changed it last. */
  version: number
  payload: JsonObject
  vectors: Map<string, StoredVector>
}

export class Collection {
  readonly name: string
  readonly config: CollectionConfig
  readonly indexes = new Map<string, FieldIndex>()
  readonly #points = new Map<PointId, Point>()
  #order: PointId[] | undefined
  #operations = 0
  #reads: RateLimiter | undefined
  #writes: RateLimiter | undefined
  #isFirstWrite = true
  /** Sizes are looked up now and then only. */
  #sizeChecks = 1
  #knownSize = 0

  constructor(name: string, request: CreateCollection) {
    this.name = name
    this.config = new CollectionConfig(request)
    this.resetLimits()
  }

  get size(): number {
    return this.#points.size
  }

  get schema(): VectorSchema {
    return this.config
  }

  nextOperation(steps = 1): number {
    this.#operations += steps
    return this.#operations
  }

  /** Called when the strict mode changes: new limiters start full. */
  resetLimits(): void {
    const strict = this.config.activeStrictMode
    this.#reads = strict?.read_rate_limit === undefined ? undefined : new RateLimiter('Read', strict.read_rate_limit)
    this.#writes =
      strict?.write_rate_limit === undefined ? undefined : new RateLimiter('Write', strict.write_rate_limit)
  }

  spendRead(cost: number): void {
    this.#reads?.spend(cost)
  }

  /** The first write is turned away by the clock of the shard and made again, which costs twice. */
  spendWrite(cost: number): void {
    this.#writes?.spend(cost)
    if (!this.#isFirstWrite) return
    this.#isFirstWrite = false
    this.#writes?.spend(cost)
  }

  /** The number of points as the size checks know it: refreshed at every 32nd look. */
  estimatedSize(): number {
    if (this.#sizeChecks++ % 32 === 0) this.#knownSize = this.size
    return this.#knownSize
  }

  get(id: PointId): Point | undefined {
    return this.#points.get(id)
  }

  require(id: PointId): Point {
    const point = this.#points.get(id)
    if (!point) throw ApiError.noPoint(id)
    return point
  }

  put(point: Point): void {
    if (!this.#points.has(point.id)) this.#order = undefined
    this.#points.set(point.id, point)
    for (const index of this.indexes.values()) index.put(point.id, point.payload)
  }

  /** To be called after the payload of a point was changed in place. */
  reindex(point: Point): void {
    for (const index of this.indexes.values()) index.put(point.id, point.payload)
  }

  delete(id: PointId): void {
    if (!this.#points.delete(id)) return
    this.#order = undefined
    for (const index of this.indexes.values()) index.remove(id)
  }

  createIndex(path: JsonPath, schema: FieldSchema): void {
    const index = new FieldIndex(path, schema)
    for (const point of this.#points.values()) index.put(point.id, point.payload)
    this.indexes.set(printPath(path), index)
  }

  /** All ids in order. */
  ids(): readonly PointId[] {
    this.#order ??= [...this.#points.keys()].sort(compareIds)
    return this.#order
  }

  points(): Iterable<Point> {
    return this.#points.values()
  }

  /** The points that meet a filter, in the order of their ids. */
  select(filter: Filter | undefined): Point[] {
    const candidates = this.#candidates(filter)
    const ids = candidates ? [...new Set(candidates)].sort(compareIds) : this.ids()
    return ids.flatMap((id) => {
      const point = this.#points.get(id)
      return point && this.meets(point, filter) ? [point] : []
    })
  }

  meets(point: Point, filter: Filter | undefined): boolean {
    if (!filter) return true
    const subject: Subject = { id: point.id, payload: point.payload, hasVector: (name) => point.vectors.has(name) }
    return matches(filter, subject, this.indexes)
  }

  /** The smallest set of points that an index or a list of ids promises to hold the answer. */
  #candidates(filter: Filter | undefined): readonly PointId[] | undefined {
    const sets = (filter?.must ?? []).flatMap((condition) => {
      const ids = this.#candidatesOf(condition)
      return ids ? [ids] : []
    })
    return sets.sort((a, b) => a.length - b.length)[0]
  }

  #candidatesOf(condition: Condition): readonly PointId[] | undefined {
    if (condition.kind === 'has-id') return [...condition.ids]
    if (condition.kind === 'filter') return this.#candidates(condition.filter)
    return condition.kind === 'field'
      ? this.indexes.get(printPath(condition.field.key))?.candidates(condition.field.match)
      : undefined
  }

  /** Of these ids, the points that exist but do not meet the filter. */
  excludedBy(filter: Filter, ids: readonly PointId[]): ReadonlySet<PointId> {
    const excluded = ids.filter((id) => {
      const point = this.#points.get(id)
      return point !== undefined && !this.meets(point, filter)
    })
    return new Set(excluded)
  }
}

export const withoutIds = (filter: Filter | undefined, ids: ReadonlySet<PointId>): Filter | undefined => {
  if (ids.size === 0) return filter
  const exclusion: Filter = {
    should: undefined,
    min_should: undefined,
    must: undefined,
    must_not: [{ kind: 'has-id', ids }],
  }
  return mergeFilters(exclusion, filter)
}

export const onlyIds = (ids: ReadonlySet<PointId>): Filter => ({
  should: undefined,
  min_should: undefined,
  must: [{ kind: 'has-id', ids }],
  must_not: undefined,
})
