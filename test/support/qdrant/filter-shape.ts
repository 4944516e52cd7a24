/** Filters as requests spell them. */
import { datetime } from './datetime.ts'
import { type GeoBox, type GeoPolygon, type GeoRadius, geoBox, geoPolygon, geoRadius } from './geo.ts'
import { type PointId, pointId } from './ids.ts'
import { type JsonPath, jsonPath } from './json-path.ts'
import {
  boolean,
  type Decode,
  f64,
  i64,
  list,
  maybe,
  noVariant,
  oneOrMany,
  optional,
  required,
  string,
  struct,
  through,
  untagged,
  usize,
} from './serde.ts'
import { nested, type Problem, problem, problemsOfList } from './validation.ts'

export type MatchScalar = string | number | bigint | boolean
export type MatchSet = { readonly strings: readonly string[] } | { readonly integers: readonly (number | bigint)[] }

export type Match =
  | { readonly value: MatchScalar }
  | { readonly text: string }
  | { readonly text_any: string }
  | { readonly phrase: string }
  | { readonly any: MatchSet }
  | { readonly except: MatchSet }

export interface Bounds<T> {
  readonly lt: T | undefined
  readonly gt: T | undefined
  readonly gte: T | undefined
  readonly lte: T | undefined
}

export type Range =
  | { readonly kind: 'number'; readonly bounds: Bounds<number> }
  | { readonly kind: 'datetime'; readonly bounds: Bounds<bigint> }

export interface FieldCondition {
  readonly key: JsonPath
  readonly match: Match | undefined
  readonly range: Range | undefined
  readonly geo_bounding_box: GeoBox | undefined
  readonly geo_radius: GeoRadius | undefined
  readonly geo_polygon: GeoPolygon | undefined
  readonly values_count: Bounds<number> | undefined
  readonly is_empty: boolean | undefined
  readonly is_null: boolean | undefined
}

export type Condition =
  | { readonly kind: 'field'; readonly field: FieldCondition }
  | { readonly kind: 'is-empty'; readonly key: JsonPath }
  | { readonly kind: 'is-null'; readonly key: JsonPath }
  | { readonly kind: 'has-id'; readonly ids: ReadonlySet<PointId> }
  | { readonly kind: 'has-vector'; readonly name: string }
  | { readonly kind: 'nested'; readonly key: JsonPath; readonly filter: Filter }
  | { readonly kind: 'filter'; readonly filter: Filter }

export interface Filter {
  readonly should: readonly Condition[] | undefined
  readonly min_should: { readonly conditions: readonly Condition[]; readonly min_count: number } | undefined
  readonly must: readonly Condition[] | undefined
  readonly must_not: readonly Condition[] | undefined
}

export const emptyFilter: Filter = { should: undefined, min_should: undefined, must: undefined, must_not: undefined }

const matchScalar = untagged<MatchScalar>(noVariant('ValueVariants'), string, i64, boolean)

const matchSet = untagged<MatchSet>(
  noVariant('AnyVariants'),
  (node, way) => ({ strings: list(string)(node, way) }),
  (node, way) => ({ integers: list(i64)(node, way) }),
)

const match = untagged<Match>(
  noVariant('MatchInterface'),
  struct('MatchValue', { value: required(matchScalar) }),
  struct('MatchText', { text: required(string) }),
  struct('MatchTextAny', { text_any: required(string) }),
  struct('MatchPhrase', { phrase: required(string) }),
  struct('MatchAny', { any: required(matchSet) }),
  struct('MatchExcept', { except: required(matchSet) }),
)

const boundsOf = <T>(decode: Decode<T>): Decode<Bounds<T>> =>
  struct<Bounds<T>>('Range', { lt: maybe(decode), gt: maybe(decode), gte: maybe(decode), lte: maybe(decode) })

const numberRange: Decode<Range> = (node, way) => ({ kind: 'number', bounds: boundsOf(f64)(node, way) })
const datetimeRange: Decode<Range> = (node, way) => ({ kind: 'datetime', bounds: boundsOf(datetime)(node, way) })
const anyRange = untagged<Range>(noVariant('RangeInterfaceUntagged'), numberRange, datetimeRange)

const range: Decode<Range> = (node, way) => {
  const hasTextBound =
    node.kind === 'object' &&
    node.entries.some(
      ({ key, value }) =>
        ['lt', 'gt', 'lte', 'gte'].includes(key) && value.kind === 'scalar' && typeof value.value === 'string',
    )
  return through('value', hasTextBound ? datetimeRange : anyRange)(node, way)
}

const valuesCount = struct<Bounds<number>>('ValuesCount', {
  lt: maybe(usize),
  gt: maybe(usize),
  gte: maybe(usize),
  lte: maybe(usize),
})

const fieldCondition = struct<FieldCondition>('FieldCondition', {
  key: required(jsonPath),
  match: maybe(match),
  range: maybe(range),
  geo_bounding_box: maybe(geoBox),
  geo_radius: maybe(geoRadius),
  geo_polygon: maybe(geoPolygon),
  values_count: maybe(valuesCount),
  is_empty: maybe(boolean),
  is_null: maybe(boolean),
})

const payloadField = struct<{ key: JsonPath }>('PayloadField', { key: required(jsonPath) })

const conditionMessage =
  'Expected some form of condition, which can be a field condition (like {"key": ..., "match": ... }), or some other mentioned in the documentation: https://qdrant.tech/documentation/concepts/filtering/#filtering-conditions'

const otherCondition: Decode<Condition> = (node, way) =>
  untagged<Condition>(
    conditionMessage,
    (inner) => ({
      kind: 'is-empty',
      key: struct('IsEmptyCondition', { is_empty: required(payloadField) })(inner, 'content').is_empty.key,
    }),
    (inner) => ({
      kind: 'is-null',
      key: struct('IsNullCondition', { is_null: required(payloadField) })(inner, 'content').is_null.key,
    }),
    (inner) => ({
      kind: 'has-id',
      ids: new Set(struct('HasIdCondition', { has_id: required(list(pointId)) })(inner, 'content').has_id),
    }),
    (inner) => ({
      kind: 'has-vector',
      name: struct('HasVectorCondition', { has_vector: required(string) })(inner, 'content').has_vector,
    }),
    nestedCondition,
    (inner) => ({ kind: 'filter', filter: filter(inner, 'content') }),
  )(node, way)

const nestedCondition: Decode<Condition> = (node) => {
  const inner = struct<{ key: JsonPath; filter: Filter }>('Nested', {
    key: required(jsonPath),
    filter: required(filter),
  })
  const { nested: parts } = struct('NestedCondition', { nested: required(inner) })(node, 'content')
  return { kind: 'nested', ...parts }
}

/** A condition with a key is a field condition, and tells what is wrong with it; any other gets one message for all. */
export const condition: Decode<Condition> = through('generic', (node, way) => {
  const isField = node.kind === 'object' && node.entries.some(({ key }) => key === 'key')
  return isField ? { kind: 'field', field: fieldCondition(node, way) } : otherCondition(node, way)
})

const conditions = oneOrMany(condition)

export const filter: Decode<Filter> = (node, way) => readFilter(node, way)

const readFilter = struct<Filter>(
  'Filter',
  {
    should: optional(conditions, () => undefined),
    min_should: maybe(
      struct<{ conditions: Condition[]; min_count: number }>('MinShould', {
        conditions: required(list(condition)),
        min_count: required(usize),
      }),
    ),
    must: optional(conditions, () => undefined),
    must_not: optional(conditions, () => undefined),
  },
  { denyUnknown: true },
)

export function filterProblems(candidate: Filter | undefined): Problem[] {
  if (!candidate) return []
  const { should = [], min_should, must = [], must_not = [] } = candidate
  return [
    ...problemsOfList('should', should, conditionProblems),
    ...nested('min_should', problemsOfList('conditions', min_should?.conditions ?? [], conditionProblems)),
    ...problemsOfList('must', must, conditionProblems),
    ...problemsOfList('must_not', must_not, conditionProblems),
  ]
}

function conditionProblems(candidate: Condition): Problem[] {
  if (candidate.kind === 'filter') return filterProblems(candidate.filter)
  if (candidate.kind === 'nested') return nested('nested', nested('filter', filterProblems(candidate.filter)))
  if (candidate.kind !== 'field') return []
  const { key, ...parts } = candidate.field
  if (Object.values(parts).some((part) => part !== undefined)) return []
  return [problem('__all__', 'At least one field condition must be specified')]
}

/** Every condition of a filter in the order in which the server looks at them. */
export function conditionsOf({ must = [], must_not = [], should = [], min_should }: Filter): readonly Condition[] {
  return [...must, ...must_not, ...should, ...(min_should?.conditions ?? [])]
}

export function countConditions(candidate: Filter): number {
  return conditionsOf(candidate).reduce((sum, item) => {
    const isGroup = item.kind === 'filter' || item.kind === 'nested'
    return sum + (isGroup ? countConditions(item.filter) : 1)
  }, 0)
}

export function largestCondition(candidate: Filter): number {
  return Math.max(0, ...conditionsOf(candidate).map(sizeOf))
}

function sizeOf(candidate: Condition): number {
  if (candidate.kind === 'has-id') return candidate.ids.size
  if (candidate.kind === 'filter' || candidate.kind === 'nested') return largestCondition(candidate.filter)
  const matching = candidate.kind === 'field' ? candidate.field.match : undefined
  if (!matching || !('any' in matching || 'except' in matching)) return 0
  const set = 'any' in matching ? matching.any : matching.except
  return 'strings' in set ? set.strings.length : set.integers.length
}

/** Both filters at once: lists are joined, so `should` of the two is one `should`. */
export function mergeFilters(a: Filter | undefined, b: Filter | undefined): Filter | undefined {
  if (!a || !b) return a ?? b
  return {
    should: joined(a.should, b.should),
    min_should:
      a.min_should && b.min_should ? mergedMinShould(a.min_should, b.min_should) : (a.min_should ?? b.min_should),
    must: joined(a.must, b.must),
    must_not: joined(a.must_not, b.must_not),
  }
}

const joined = (a: readonly Condition[] | undefined, b: readonly Condition[] | undefined) =>
  a && b ? [...a, ...b] : (a ?? b)

type MinShould = NonNullable<Filter['min_should']>

const mergedMinShould = (a: MinShould, b: MinShould): MinShould => ({
  conditions: [...a.conditions, ...b.conditions],
  min_count: Math.max(a.min_count, b.min_count),
})
