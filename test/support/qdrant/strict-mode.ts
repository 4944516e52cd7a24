/** The rules of strict mode, checked before anything of a request is done. */
import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import type { StrictMode } from './collection-shape.ts'
import { itemsOf } from './field-index.ts'
import {
  type Condition,
  conditionsOf,
  countConditions,
  type FieldCondition,
  type Filter,
  largestCondition,
  type Match,
} from './filter-shape.ts'
import { parseUuid } from './ids.ts'
import { everyElement, type JsonPath, joinPaths, printPath } from './json-path.ts'
import type { SearchParams } from './query-shape.ts'
import type { FieldSchema } from './schema-shape.ts'
import type { Update } from './update-shape.ts'
import type { Vector, VectorStruct } from './vector-shape.ts'

const refusal = (fact: string, help: string) => ApiError.badRequest(`${fact}. Help: ${help}`)

function checkLimit(name: string, value: number | undefined, limit: number | undefined): void {
  if (value === undefined || limit === undefined || value <= limit) return
  throw refusal(
    `Limit exceeded ${value} > ${limit} for "${name}"`,
    `Reduce the "${name}" parameter to or below ${limit}.`,
  )
}

export interface ReadFacts {
  readonly limit?: number | undefined
  readonly filter?: Filter | undefined
  readonly exact?: boolean | undefined
  readonly params?: SearchParams | undefined
  readonly timeout?: number | undefined
}

export function checkRead(collection: Collection, facts: ReadFacts): void {
  const strict = collection.config.activeStrictMode
  if (!strict) return
  checkLimit('limit', facts.limit, strict.max_query_limit)
  checkFilter(collection, facts.filter, strict.unindexed_filtering_retrieve)
  checkExact(strict, facts.exact ?? false)
  if (facts.params) {
    checkLimit('oversampling', facts.params.quantization?.oversampling, strict.search_max_oversampling)
    checkLimit('hnsw_ef', facts.params.hnsw_ef, strict.search_max_hnsw_ef)
    checkExact(strict, facts.params.exact)
  }
  checkTimeout(collection, facts.timeout)
}

export function checkTimeout(collection: Collection, timeout: number | undefined): void {
  checkLimit('timeout', timeout, collection.config.activeStrictMode?.max_timeout)
}

export function checkBatchSize(collection: Collection, size: number): void {
  checkLimit('search batch size', size, collection.config.activeStrictMode?.search_max_batchsize)
}

function checkExact(strict: StrictMode, exact: boolean): void {
  if (exact && strict.search_allow_exact === false) throw refusal('Exact search disabled!', 'Set exact=false.')
}

function checkFilter(collection: Collection, filter: Filter | undefined, mayScan: boolean | undefined): void {
  const strict = collection.config.activeStrictMode
  if (!filter || !strict) return
  if (mayScan === false) checkIndexed(collection, filter, undefined)
  const conditions = countConditions(filter)
  if (strict.filter_max_conditions !== undefined && conditions > strict.filter_max_conditions) {
    throw refusal(
      `Filter condition limit reached (${conditions} > ${strict.filter_max_conditions})`,
      'Reduce the amount of conditions of your filter.',
    )
  }
  const size = largestCondition(filter)
  if (strict.condition_max_size !== undefined && size > strict.condition_max_size) {
    throw refusal(
      `Condition size limit reached (${size} > ${strict.condition_max_size})`,
      'Reduce the size of your condition.',
    )
  }
}

const everyType = [
  'bool',
  'datetime',
  'float',
  'geo',
  'integer',
  'keyword',
  'text',
  'text (with phrase_matching: true)',
  'uuid',
]

/** What an index must be able to do, as pairs of the needed ability and the type that is proposed. */
const abilities = {
  'integer-match': 'integer',
  'integer-range': 'integer',
  'keyword-match': 'keyword',
  'float-range': 'float',
  text: 'text',
  phrase: 'text (with phrase_matching: true)',
  'bool-match': 'bool',
  'uuid-match': 'uuid',
  'datetime-range': 'datetime',
  geo: 'geo',
} as const
type Ability = keyof typeof abilities

function checkIndexed(collection: Collection, filter: Filter, base: JsonPath | undefined): void {
  for (const condition of conditionsOf(filter)) checkCondition(collection, condition, base)
}

function checkCondition(collection: Collection, condition: Condition, base: JsonPath | undefined): void {
  if (condition.kind === 'filter') checkIndexed(collection, condition.filter, base)
  else if (condition.kind === 'nested') {
    checkIndexed(collection, condition.filter, joinPaths(base, everyElement(condition.key)))
  } else if (condition.kind === 'field') {
    const { field } = condition
    requireIndex(collection, joinPaths(base, field.key), neededFor(field))
  } else if (condition.kind === 'is-empty' || condition.kind === 'is-null') {
    requireIndex(collection, joinPaths(base, condition.key), 'any')
  }
}

function requireIndex(collection: Collection, path: JsonPath, needed: readonly Ability[] | 'any'): void {
  if (needed.length === 0) return
  const name = printPath(path)
  const schema = collection.indexes.get(name)?.schema
  const has = schema && abilitiesOf(schema)
  if (has && (needed === 'any' || needed.some((ability) => has.includes(ability)))) return
  const proposed = needed === 'any' ? everyType : [...new Set(needed.map((ability) => abilities[ability]))].sort()
  throw refusal(
    `Index required but not found for "${name}" of one of the following types: [${proposed.join(', ')}]`,
    'Create an index for this key or use a different filter.',
  )
}

function neededFor(field: FieldCondition): readonly Ability[] | 'any' {
  if (field.values_count || field.is_empty !== undefined || field.is_null !== undefined) return 'any'
  const needed: Ability[] = field.match ? neededForMatch(field.match) : []
  if (field.range) needed.push(...neededForRange(field.range.kind))
  if (field.geo_bounding_box || field.geo_radius || field.geo_polygon) needed.push('geo')
  return needed
}

const neededForRange = (kind: 'number' | 'datetime'): Ability[] =>
  kind === 'datetime' ? ['datetime-range'] : ['float-range', 'integer-range']

function neededForMatch(match: Match): Ability[] {
  if ('text' in match || 'text_any' in match) return ['text']
  if ('phrase' in match) return ['phrase']
  const items = 'value' in match ? [match.value] : itemsOf('any' in match ? match.any : match.except)
  const [first] = items
  if (first === undefined) return []
  if (typeof first === 'boolean') return ['bool-match']
  if (typeof first !== 'string') return ['integer-match']
  const areUuids = items.every((item) => typeof item === 'string' && parseUuid(item) !== undefined)
  return areUuids ? ['uuid-match', 'keyword-match'] : ['keyword-match']
}

function abilitiesOf({ type, params }: FieldSchema): readonly Ability[] {
  switch (type) {
    case 'keyword':
      return ['keyword-match']
    case 'integer': {
      const lookup: Ability[] = params?.lookup === false ? [] : ['integer-match']
      return params?.range === false ? lookup : [...lookup, 'integer-range']
    }
    case 'uuid':
      return ['uuid-match']
    case 'bool':
      return ['bool-match']
    case 'float':
      return ['float-range']
    case 'geo':
      return ['geo']
    case 'text':
      return params?.phrase_matching === true ? ['text', 'phrase'] : ['text']
    case 'datetime':
      return ['datetime-range']
  }
}

/** Grouping needs an index that can match. */
export function checkGrouping(collection: Collection, path: JsonPath): void {
  if (collection.config.activeStrictMode?.unindexed_filtering_retrieve !== false) return
  const name = printPath(path)
  const schema = collection.indexes.get(name)?.schema
  const help = 'Create an index supporting `match` for this key.'
  if (!schema) throw refusal(`Index required but not found for "${name}"`, help)
  const supports = schema.params && schema.type === 'integer' ? schema.params.lookup === true : true
  if (supports && ['keyword', 'integer', 'uuid', 'bool'].includes(schema.type)) return
  throw refusal(`Index of type "${schema.type[0]?.toUpperCase()}${schema.type.slice(1)}" found for "${name}"`, help)
}

export function checkUpdate(collection: Collection, change: Update, timeout: number | undefined): void {
  const strict = collection.config.activeStrictMode
  if (!strict) return
  if (change.kind === 'upsert' || change.kind === 'update-vectors') {
    const name = change.kind === 'upsert' ? 'upsert limit' : 'update limit'
    checkLimit(name, change.points.length, strict.upsert_max_batchsize)
    checkSize(collection, strict)
    for (const { vector } of change.points) checkVectorSizes(strict, vector)
  } else checkFilter(collection, filterOf(change), strict.unindexed_filtering_update)
  checkTimeout(collection, timeout)
}

function filterOf(change: Exclude<Update, { kind: 'upsert' | 'update-vectors' }>): Filter | undefined {
  if (!('selection' in change)) return change.filter
  return 'filter' in change.selection ? change.selection.filter : undefined
}

function checkSize(collection: Collection, strict: StrictMode): void {
  if (strict.max_points_count === undefined) return
  if (collection.estimatedSize() >= strict.max_points_count) {
    throw ApiError.badRequest(`Max points count limit of ${strict.max_points_count} reached!`)
  }
}

function checkVectorSizes(strict: StrictMode, { vectors }: VectorStruct): void {
  for (const [name, vector] of vectors) checkVectorSize(strict, name, vector)
}

function checkVectorSize(strict: StrictMode, name: string, vector: Vector): void {
  const maxRows = strict.multivector_config?.get(name)?.max_vectors
  if (vector.kind === 'multi' && maxRows !== undefined && vector.vectors.length > maxRows) {
    throw ApiError.badRequest(
      `Multivector '${name}' has a limit of ${maxRows} vectors, but ${vector.vectors.length} were provided!`,
    )
  }
  const maxLength = strict.sparse_config?.get(name)?.max_length
  if (vector.kind === 'sparse' && maxLength !== undefined && vector.indices.length > maxLength) {
    throw ApiError.badRequest(
      `Sparse vector '${name}' has a limit of ${maxLength} indices, but ${vector.indices.length} were provided!`,
    )
  }
}

export function checkIndexCount(collection: Collection): void {
  const limit = collection.config.activeStrictMode?.max_payload_index_count
  if (limit === undefined || collection.indexes.size < limit) return
  throw refusal(
    `Collection already has the maximum number of payload indices (${limit})`,
    'Please delete an existing index before creating a new one.',
  )
}
