/** Payload indexes: they make look-ups fast, and where an index answers a condition, its reading of the values counts. */
import { parseDatetime } from './datetime.ts'
import type { Bounds, FieldCondition, Match, MatchSet, Range } from './filter-shape.ts'
import { type GeoPoint, geoPointOf, isInBox, isInPolygon, isInRadius, numberOf } from './geo.ts'
import { type PointId, parseUuid } from './ids.ts'
import { Float, type Json, type JsonObject } from './json.ts'
import { type JsonPath, printPath, valuesAt } from './json-path.ts'
import type { FieldSchema, IndexType } from './schema-shape.ts'
import { documentTokens, matchesText, type TextParams, type TextQuery, textParamsOf } from './text-index.ts'

/** What an index keeps of a value; undefined when it does not take it. */
export type IndexedValue = string | number | bigint | boolean | GeoPoint

const readers: Record<IndexType, (value: Json) => IndexedValue | undefined> = {
  keyword: (value) => (typeof value === 'string' ? value : undefined),
  text: (value) => (typeof value === 'string' ? value : undefined),
  uuid: (value) => (typeof value === 'string' ? parseUuid(value) : undefined),
  integer: (value) => (isInteger(value) ? value : undefined),
  float: (value) => numberOf(value),
  bool: (value) => (typeof value === 'boolean' ? value : undefined),
  datetime: (value) => (typeof value === 'string' ? parseDatetime(value) : undefined),
  geo: validPoint,
}

export const isInteger = (value: Json | undefined): value is number | bigint =>
  typeof value === 'number' || (typeof value === 'bigint' && value <= 9223372036854775807n)

function validPoint(value: Json): GeoPoint | undefined {
  const point = geoPointOf(value)
  return point && Math.abs(point.lon) <= 180 && Math.abs(point.lat) <= 90 ? point : undefined
}

/** Types whose values are looked up by equality. */
const lookupTypes: readonly IndexType[] = ['keyword', 'integer', 'uuid', 'bool']

export class FieldIndex {
  readonly path: JsonPath
  readonly name: string
  readonly schema: FieldSchema
  readonly #text: TextParams
  readonly #values = new Map<PointId, readonly IndexedValue[]>()
  readonly #points = new Map<IndexedValue, Set<PointId>>()

  constructor(path: JsonPath, schema: FieldSchema) {
    this.path = path
    this.name = printPath(path)
    this.schema = schema
    this.#text = textParamsOf(schema.params)
  }

  /** Points that have at least one value of the type. */
  get size(): number {
    return this.#values.size
  }

  get canLookUp(): boolean {
    return lookupTypes.includes(this.schema.type) && this.schema.params?.lookup !== false
  }

  get canRange(): boolean {
    const { type, params } = this.schema
    return type === 'float' || type === 'datetime' || (type === 'integer' && params?.range !== false)
  }

  put(id: PointId, payload: JsonObject): void {
    this.remove(id)
    const values = valuesAt(payload, this.path)
      .flatMap((value) => (Array.isArray(value) ? value : [value]))
      .flatMap((value) => readers[this.schema.type](value) ?? [])
    if (values.length === 0) return
    this.#values.set(id, values)
    if (!lookupTypes.includes(this.schema.type)) return
    for (const value of values) {
      const points = this.#points.get(value)
      if (points) points.add(id)
      else this.#points.set(value, new Set([id]))
    }
  }

  remove(id: PointId): void {
    for (const value of this.#values.get(id) ?? []) {
      const points = this.#points.get(value)
      points?.delete(id)
      if (points?.size === 0) this.#points.delete(value)
    }
    this.#values.delete(id)
  }

  valuesOf(id: PointId): readonly IndexedValue[] {
    return this.#values.get(id) ?? []
  }

  /** Every value with the points that have it. */
  get entries(): ReadonlyMap<IndexedValue, ReadonlySet<PointId>> {
    return this.#points
  }

  /** The points that a match condition selects; undefined when this index cannot tell. */
  candidates(match: Match | undefined): PointId[] | undefined {
    if (!match || !this.canLookUp) return undefined
    const wanted = 'value' in match ? [match.value] : 'any' in match ? itemsOf(match.any) : undefined
    const keys = wanted?.map((item) => this.#key(item))
    if (!keys || keys.includes(undefined)) return undefined
    return [...new Set(keys.flatMap((key) => (key === undefined ? [] : [...(this.#points.get(key) ?? [])])))]
  }

  #key(item: string | number | bigint | boolean): IndexedValue | undefined {
    const { type } = this.schema
    if (type === 'uuid') return typeof item === 'string' ? parseUuid(item) : undefined
    const expected = { keyword: 'string', bool: 'boolean', integer: typeof item === 'bigint' ? 'bigint' : 'number' }
    return type in expected && typeof item === expected[type as keyof typeof expected] ? item : undefined
  }

  /** What this index says about a condition; undefined when it does not answer this kind. */
  check(condition: FieldCondition, id: PointId): boolean | undefined {
    const { type } = this.schema
    if (type === 'geo') return this.#checkGeo(condition, id)
    if (type === 'text') return this.#checkText(condition.match, id)
    if (this.canLookUp && condition.match) {
      const answer = this.#checkMatch(condition.match, id)
      if (answer !== undefined) return answer
    }
    if (!this.canRange || !condition.range) return undefined
    const { range } = condition
    return this.valuesOf(id).some((value) => isInRange(range, value, type))
  }

  #checkMatch(match: Match, id: PointId): boolean | undefined {
    const values = this.valuesOf(id)
    if ('value' in match) {
      const key = this.#key(match.value)
      return key === undefined ? undefined : values.includes(key)
    }
    if (this.schema.type === 'bool' || !('any' in match || 'except' in match)) return undefined
    const set = 'any' in match ? match.any : match.except
    const keys = itemsOf(set).map((item) => this.#key(item))
    if (keys.includes(undefined) || 'strings' in set !== (this.schema.type !== 'integer')) return undefined
    return values.some((value) => keys.includes(value) === 'any' in match)
  }

  #checkText(match: Match | undefined, id: PointId): boolean | undefined {
    const query = textQuery(match)
    if (!query) return undefined
    const tokens = this.valuesOf(id).flatMap((value) => documentTokens(this.#text, String(value)))
    return matchesText(this.#text, tokens, query)
  }

  /** For values inside nested objects, which the index does not know one by one. */
  checkValue(condition: FieldCondition, value: Json): boolean | undefined {
    const query = this.schema.type === 'text' ? textQuery(condition.match) : undefined
    if (!query) return undefined
    const texts = (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string')
    return texts.some((text) => matchesText(this.#text, documentTokens(this.#text, text), query))
  }

  #checkGeo({ geo_radius, geo_bounding_box, geo_polygon }: FieldCondition, id: PointId): boolean | undefined {
    const points = this.valuesOf(id).filter((value) => typeof value === 'object')
    if (geo_radius) return points.some((point) => isInRadius(geo_radius, point))
    if (geo_bounding_box) return points.some((point) => isInBox(geo_bounding_box, point))
    return geo_polygon ? points.some((point) => isInPolygon(geo_polygon, point)) : undefined
  }
}

function textQuery(match: Match | undefined): { kind: TextQuery; text: string } | undefined {
  if (!match) return undefined
  if ('text' in match) return { kind: 'text', text: match.text }
  if ('text_any' in match) return { kind: 'text_any', text: match.text_any }
  return 'phrase' in match ? { kind: 'phrase', text: match.phrase } : undefined
}

export const itemsOf = (set: MatchSet): readonly (string | number | bigint)[] =>
  'strings' in set ? set.strings : set.integers

export function isWithin<T extends number | bigint>({ lt, gt, gte, lte }: Bounds<T>, value: number | bigint): boolean {
  return (
    (lt === undefined || value < lt) &&
    (gt === undefined || value > gt) &&
    (gte === undefined || value >= gte) &&
    (lte === undefined || value <= lte)
  )
}

/** Dates are kept as microseconds; a range of dates on a number index, or the other way round, compares those. */
function isInRange(range: Range, value: IndexedValue, type: IndexType): boolean {
  if (typeof value !== 'number' && typeof value !== 'bigint') return false
  if (range.kind === 'datetime') return isWithin(range.bounds, value)
  return isWithin(range.bounds, type === 'integer' ? value : Number(value))
}

export const asJson = (value: IndexedValue, type: IndexType): Json => {
  if (typeof value === 'object') {
    return new Map<string, Json>([
      ['lon', new Float(value.lon)],
      ['lat', new Float(value.lat)],
    ])
  }
  return type === 'float' && typeof value === 'number' ? new Float(value) : value
}
