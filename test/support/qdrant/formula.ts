/** Evaluates a formula over prefetched points. */
import { ApiError } from './api-error.ts'
import type { Collection, Point } from './collection.ts'
import { parseDatetime } from './datetime.ts'
import {
  type DecayKind,
  type Expression,
  type Formula,
  parseVariable,
  type UnaryOperation,
  variableKey,
} from './formula-shape.ts'
import { distance, geoPointOf, numberOf } from './geo.ts'
import type { PointId } from './ids.ts'
import type { Json } from './json.ts'
import { type JsonPath, printPath, valuesAt } from './json-path.ts'
import { plainFloat } from './numbers.ts'
import type { Scored } from './scored.ts'

const invalid = (text: string) => ApiError.badInput(`Validation failed: ${text}`)

interface Setting {
  readonly collection: Collection
  readonly point: Point
  /** Scores of the prefetches. */
  readonly scores: readonly ReadonlyMap<PointId, number>[]
  readonly defaults: ReadonlyMap<string, Json>
}

export interface FormulaOptions {
  readonly limit: number
  readonly threshold: number | undefined
}

export function rescoreByFormula(
  collection: Collection,
  formula: Formula,
  sources: { readonly lists: readonly (readonly Scored[])[]; readonly options: FormulaOptions },
): Scored[] {
  check(formula.formula)
  const scores = sources.lists.map((list) => new Map(list.map(({ id, score }) => [id, score])))
  const defaults = new Map([...formula.defaults].map(([key, value]) => [keyOf(key), value]))
  const ids = new Set(sources.lists.flat().map(({ id }) => id))
  const { limit, threshold } = sources.options
  return [...ids]
    .map((id): Scored => {
      const point = collection.require(id)
      const exact = evaluate(formula.formula, { collection, point, scores, defaults })
      const score = Math.fround(exact)
      if (!Number.isFinite(score)) throw notFinite(`${plainFloat(exact)} as f32 = ${plainFloat(score)}`)
      return { id, version: point.version, score }
    })
    .filter(({ score }) => threshold === undefined || score >= threshold)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
}

function keyOf(name: string): string {
  const variable = parseVariable(name)
  if (typeof variable === 'string') throw invalid(`failed to parse variable ID ${name}: ${variable}`)
  return variableKey(variable)
}

const notFinite = (expression: string) => ApiError.badInput(`The expression ${expression} produced a non-finite number`)

/** What is wrong with the formula itself, before it meets a point. */
function check(expression: Expression): void {
  if (expression.kind === 'variable') keyOf(expression.name)
  if (expression.kind === 'datetime' && parseDatetime(expression.text) === undefined) {
    throw invalid(`failed to parse date-time ${expression.text}: input contains invalid characters`)
  }
  if (expression.kind === 'decay') lambdaOf(expression)
  for (const part of partsOf(expression)) check(part)
}

function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'mult':
    case 'sum':
      return expression.parts
    case 'unary':
      return [expression.of]
    case 'div':
      return [expression.left, expression.right]
    case 'pow':
      return [expression.base, expression.exponent]
    case 'decay':
      return expression.target ? [expression.x, expression.target] : [expression.x]
    default:
      return []
  }
}

function evaluate(expression: Expression, setting: Setting): number {
  const value = (part: Expression) => evaluate(part, setting)
  switch (expression.kind) {
    case 'constant':
      return expression.value
    case 'variable':
      return variableValue(expression.name, setting)
    case 'condition':
      return Number(
        setting.collection.meets(setting.point, {
          should: undefined,
          min_should: undefined,
          must: [expression.condition],
          must_not: undefined,
        }),
      )
    case 'geo-distance':
      return distance(expression.origin, payloadValue(expression.to, setting, readers.geo))
    case 'datetime':
      return Number(parseDatetime(expression.text) ?? 0n) / 1e6
    case 'datetime-key':
      return Number(payloadValue(expression.path, setting, readers.datetime)) / 1e6
    case 'mult':
      return product(expression.parts, value)
    case 'sum':
      return expression.parts.reduce((sum, part) => sum + value(part), 0)
    case 'unary':
      return applyUnary(expression.operation, value(expression.of))
    case 'div':
      return divide(expression, value)
    case 'pow':
      return power(value(expression.base), value(expression.exponent))
    case 'decay':
      return decayed(expression, value)
  }
}

/** Stops at the first zero: what follows is not looked at. */
function product(parts: readonly Expression[], value: (part: Expression) => number): number {
  let result = 1
  for (const part of parts) {
    const factor = value(part)
    if (factor === 0) return 0
    result *= factor
  }
  return result
}

type Division = Extract<Expression, { kind: 'div' }>

function divide({ left, right, byZeroDefault }: Division, value: (part: Expression) => number): number {
  const numerator = value(left)
  if (numerator === 0) return 0
  const denominator = value(right)
  if (denominator === 0 && byZeroDefault !== undefined) return byZeroDefault
  const quotient = numerator / denominator
  if (Number.isFinite(quotient)) return quotient
  throw notFinite(`${plainFloat(numerator)}/${plainFloat(denominator)} = ${plainFloat(quotient)}`)
}

function power(base: number, exponent: number): number {
  const result = base ** exponent
  if (Number.isFinite(result)) return result
  throw notFinite(`${plainFloat(base)}^${plainFloat(exponent)} = ${plainFloat(result)}`)
}

const unary: Record<UnaryOperation, { apply: (value: number) => number; show: (value: string) => string }> = {
  neg: { apply: (value) => -value, show: (value) => `-${value}` },
  abs: { apply: Math.abs, show: (value) => `|${value}|` },
  sqrt: { apply: Math.sqrt, show: (value) => `√${value}` },
  exp: { apply: Math.exp, show: (value) => `exp(${value})` },
  log10: { apply: Math.log10, show: (value) => `log10(${value})` },
  ln: { apply: Math.log, show: (value) => `ln(${value})` },
}

function applyUnary(operation: UnaryOperation, value: number): number {
  const { apply, show } = unary[operation]
  const result = apply(value)
  if (Number.isFinite(result)) return result
  throw notFinite(`${show(plainFloat(value))} = ${plainFloat(result)}`)
}

type Decay = Extract<Expression, { kind: 'decay' }>

function lambdaOf({ decay, midpoint = 0.5, scale = 1 }: Decay): number {
  const isLinear = decay === 'lin_decay'
  if (isLinear ? midpoint < 0 || midpoint > 1 : midpoint <= 0 || midpoint >= 1) {
    const rule = isLinear
      ? 'Linear decay midpoint should be in the range [0.0, 1.0]'
      : 'Decay midpoint should be in the range (0.0, 1.0)'
    throw invalid(`${rule}, got ${plainFloat(midpoint)}.`)
  }
  if (scale <= 0) throw invalid(`Decay scale should be non-zero positive, got ${plainFloat(scale)}.`)
  const lambdas: Record<DecayKind, number> = {
    lin_decay: (1 - midpoint) / scale,
    exp_decay: Math.log(midpoint) / scale,
    gauss_decay: Math.log(midpoint) / scale ** 2,
  }
  return lambdas[decay]
}

function decayed(expression: Decay, value: (part: Expression) => number): number {
  const lambda = lambdaOf(expression)
  const difference = Math.abs(value(expression.x) - (expression.target ? value(expression.target) : 0))
  if (expression.decay === 'lin_decay') return Math.max(0, 1 - lambda * difference)
  return Math.exp(lambda * (expression.decay === 'exp_decay' ? difference : difference ** 2))
}

function variableValue(name: string, setting: Setting): number {
  const variable = parseVariable(name)
  if (typeof variable === 'string') throw invalid(`failed to parse variable ID ${name}: ${variable}`)
  if (variable.kind === 'payload') return payloadValue(variable.path, setting, readers.number)
  const score = setting.scores[variable.index]?.get(setting.point.id)
  return score ?? numberOf(setting.defaults.get(variableKey(variable))) ?? 0
}

interface Reader<T> {
  readonly type: string
  /** Why the value does not fit is a text. */
  readonly read: (value: Json) => { readonly value: T } | string
}

const readers = {
  number: {
    type: 'number',
    read: (value: Json) => {
      const number = numberOf(value)
      return number === undefined ? 'Value is not a number' : { value: number }
    },
  },
  geo: {
    type: 'geo point',
    read: (value: Json) => {
      const point = geoPointOf(value)
      return point ? { value: point } : 'missing field `lon`'
    },
  },
  datetime: {
    type: 'datetime',
    read: (value: Json) => {
      if (typeof value !== 'string') return 'Value is not a string'
      const micros = parseDatetime(value)
      return micros === undefined ? 'input contains invalid characters' : { value: micros }
    },
  },
}

function payloadValue<T>(path: JsonPath, { point, defaults }: Setting, { type, read }: Reader<T>): T {
  const name = printPath(path)
  const failure = (reason: string) =>
    ApiError.badInput(
      `Expected ${type} value for ${name} in the payload and/or in the formula defaults. Error: ${reason}`,
    )
  const found = valuesAt(point.payload, path)
  const value = found.length > 1 ? found : (found[0] ?? defaults.get(name))
  if (value === undefined) throw failure('No value found in a payload nor defaults')
  const result = read(value)
  if (typeof result === 'string') throw failure(result)
  return result.value
}
