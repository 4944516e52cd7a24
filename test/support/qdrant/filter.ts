/** Whether a point meets a filter. */
import { parseDatetime } from './datetime.ts'
import { type FieldIndex, isInteger, isWithin } from './field-index.ts'
import type { Condition, FieldCondition, Filter, Match, MatchSet } from './filter-shape.ts'
import { geoPointOf, isInBox, isInPolygon, isInRadius, numberOf } from './geo.ts'
import type { PointId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import { everyElement, type JsonPath, joinPaths, printPath, valuesAt } from './json-path.ts'

/** What a filter can see of a point. */
export interface Subject {
  /** Undefined inside nested objects, where ids and vectors never match. */
  readonly id: PointId | undefined
  readonly payload: JsonObject
  hasVector(name: string): boolean
}

export type Indexes = ReadonlyMap<string, FieldIndex>

interface Scope {
  readonly indexes: Indexes
  /** Path of the nested objects that are looked at. */
  readonly base: JsonPath | undefined
}

export function matches(filter: Filter, subject: Subject, indexes: Indexes): boolean {
  return matchesIn(filter, subject, { indexes, base: undefined })
}

/** At the top an empty list means nothing; inside nested objects an empty `should` matches nothing. */
function matchesIn(filter: Filter, subject: Subject, scope: Scope): boolean {
  const check = (condition: Condition) => meets(condition, subject, scope)
  const { should, min_should, must, must_not } = filter
  if (should && (should.length > 0 || scope.base) && !should.some(check)) return false
  if (min_should && (min_should.conditions.length > 0 || scope.base)) {
    if (min_should.conditions.filter(check).length < min_should.min_count) return false
  }
  return (must ?? []).every(check) && !(must_not ?? []).some(check)
}

function meets(condition: Condition, subject: Subject, scope: Scope): boolean {
  switch (condition.kind) {
    case 'filter':
      return matchesIn(condition.filter, subject, scope)
    case 'has-id':
      return subject.id !== undefined && condition.ids.has(subject.id)
    case 'has-vector':
      return subject.hasVector(condition.name)
    case 'is-empty':
      return valuesAt(subject.payload, condition.key).every(isEmpty)
    case 'is-null':
      return isNull(condition.key, subject, scope)
    case 'nested':
      return meetsNested(condition, subject, scope)
    case 'field':
      return meetsField(condition.field, subject, scope)
  }
}

const isEmpty = (value: Json) => value === null || (Array.isArray(value) && value.length === 0)

const holdsNull = (value: Json) => value === null || (Array.isArray(value) && value.includes(null))

/** An index also counts a null inside an array. */
function isNull(key: JsonPath, subject: Subject, { indexes, base }: Scope): boolean {
  const values = valuesAt(subject.payload, key)
  return values.some(!base && indexes.has(printPath(key)) ? holdsNull : (value) => value === null)
}

function meetsNested({ key, filter }: Extract<Condition, { kind: 'nested' }>, subject: Subject, scope: Scope): boolean {
  const path = everyElement(key)
  const inner = { indexes: scope.indexes, base: joinPaths(scope.base, path) }
  return valuesAt(subject.payload, path).some(
    (value) =>
      value instanceof Map && matchesIn(filter, { id: undefined, payload: value, hasVector: () => false }, inner),
  )
}

function meetsField(field: FieldCondition, subject: Subject, { indexes, base }: Scope): boolean {
  const index = indexes.get(printPath(joinPaths(base, field.key)))
  const values = valuesAt(subject.payload, field.key)
  if (index && subject.id !== undefined) {
    const answer = index.check(field, subject.id) ?? indexedEmptiness(field, values)
    if (answer !== undefined) return answer
  }
  if (values.length === 0) return meetsAbsence(field)
  return values.some((value) => index?.checkValue(field, value) ?? meetsValue(field, value))
}

function indexedEmptiness({ is_empty, is_null }: FieldCondition, values: readonly Json[]): boolean | undefined {
  if (is_empty !== undefined) return values.every(isEmpty) === is_empty
  return is_null === undefined ? undefined : values.some(holdsNull) === is_null
}

function meetsAbsence({ is_empty, is_null }: FieldCondition): boolean {
  if (is_empty !== undefined) return is_empty
  return is_null === undefined ? false : !is_null
}

function meetsValue(field: FieldCondition, value: Json): boolean {
  const { values_count, is_empty, is_null } = field
  if (values_count) return isWithin(values_count, countOf(value))
  if (is_empty !== undefined) return isEmpty(value) === is_empty
  if (is_null !== undefined) return holdsNull(value) === is_null
  return Array.isArray(value) ? value.some((item) => meetsItem(field, item)) : meetsItem(field, value)
}

function countOf(value: Json): number {
  if (value === null) return 0
  return Array.isArray(value) ? value.length : 1
}

/** Several tests in one condition: any of them is enough. */
const meetsItem = (field: FieldCondition, item: Json): boolean =>
  (field.match !== undefined && meetsMatch(field.match, item)) || meetsRange(field, item) || meetsArea(field, item)

function meetsRange({ range }: FieldCondition, item: Json): boolean {
  if (range?.kind === 'number') {
    const number = numberOf(item)
    return number !== undefined && isWithin(range.bounds, number)
  }
  const micros = range && typeof item === 'string' ? parseDatetime(item) : undefined
  return range !== undefined && micros !== undefined && isWithin(range.bounds, micros)
}

function meetsArea({ geo_radius, geo_bounding_box, geo_polygon }: FieldCondition, item: Json): boolean {
  const point = geoPointOf(item)
  if (!point) return false
  return (
    (geo_radius !== undefined && isInRadius(geo_radius, point)) ||
    (geo_bounding_box !== undefined && isInBox(geo_bounding_box, point)) ||
    (geo_polygon !== undefined && isInPolygon(geo_polygon, point))
  )
}

function meetsMatch(match: Match, item: Json): boolean {
  if ('value' in match) return item === match.value && (typeof item !== 'bigint' || isInteger(item))
  if ('any' in match) return isAmong(match.any, item)
  if ('except' in match) return item !== null && !isAmong(match.except, item)
  return typeof item === 'string' && holdsText(match, item)
}

function isAmong(set: MatchSet, item: Json): boolean {
  if ('strings' in set) return typeof item === 'string' && set.strings.includes(item)
  return isInteger(item) && set.integers.includes(item)
}

/** Without an index words are looked for as they are. */
function holdsText(match: Exclude<Match, { value: unknown } | { any: unknown } | { except: unknown }>, text: string) {
  if ('text' in match) return text.includes(match.text)
  if ('phrase' in match) return text.includes(match.phrase)
  const words = match.text_any.split(/\s+/u).filter((word) => word !== '')
  return words.some((word) => text.includes(word))
}
