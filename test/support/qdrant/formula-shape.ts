/** Formulas that boost scores, as requests spell them. */

import { type Condition, condition } from './filter-shape.ts'
import { type GeoPoint, geoPoint, numberOf } from './geo.ts'
import type { Json } from './json.ts'
import { type JsonPath, jsonPath, parsePath, printPath } from './json-path.ts'
import {
  type Decode,
  dictionary,
  f32,
  json,
  list,
  maybe,
  noVariant,
  optional,
  required,
  string,
  struct,
  untagged,
} from './serde.ts'
import { type Problem, problem } from './validation.ts'

export type Variable =
  | { readonly kind: 'score'; readonly index: number }
  | { readonly kind: 'payload'; readonly path: JsonPath }

export type UnaryOperation = 'neg' | 'abs' | 'sqrt' | 'exp' | 'log10' | 'ln'
export type DecayKind = 'lin_decay' | 'exp_decay' | 'gauss_decay'

export type Expression =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'geo-distance'; readonly origin: GeoPoint; readonly to: JsonPath }
  | { readonly kind: 'datetime'; readonly text: string }
  | { readonly kind: 'datetime-key'; readonly path: JsonPath }
  | { readonly kind: 'mult' | 'sum'; readonly parts: readonly Expression[] }
  | { readonly kind: 'unary'; readonly operation: UnaryOperation; readonly of: Expression }
  | {
      readonly kind: 'div'
      readonly left: Expression
      readonly right: Expression
      readonly byZeroDefault: number | undefined
    }
  | { readonly kind: 'pow'; readonly base: Expression; readonly exponent: Expression }
  | {
      readonly kind: 'decay'
      readonly decay: DecayKind
      readonly x: Expression
      readonly target: Expression | undefined
      readonly scale: number | undefined
      readonly midpoint: number | undefined
    }

export interface Formula {
  readonly formula: Expression
  readonly defaults: ReadonlyMap<string, Json>
}

const keyed =
  <T>(key: string, decode: Decode<T>, make: (value: T) => Expression): Decode<Expression> =>
  (node, way) =>
    make(struct<Record<string, T>>('Expression', { [key]: required(decode) })(node, way)[key] as T)

const expression: Decode<Expression> = (node, way) => readExpression(node, way)

const unary = (operation: UnaryOperation) => keyed(operation, expression, (of) => ({ kind: 'unary', operation, of }))

const decay = (kind: DecayKind) =>
  keyed(
    kind,
    struct('DecayParamsExpression', {
      x: required(expression),
      target: maybe(expression),
      scale: maybe(f32),
      midpoint: maybe(f32),
    }),
    (params) => ({ kind: 'decay', decay: kind, ...params }),
  )

const readExpression = untagged<Expression>(
  noVariant('Expression'),
  (node, way) => ({ kind: 'constant', value: f32(node, way) }),
  (node, way) => ({ kind: 'variable', name: string(node, way) }),
  (node, way) => ({ kind: 'condition', condition: condition(node, way) }),
  keyed(
    'geo_distance',
    struct('GeoDistanceParams', { origin: required(geoPoint), to: required(jsonPath) }),
    (params) => ({ kind: 'geo-distance', ...params }),
  ),
  keyed('datetime', string, (text) => ({ kind: 'datetime', text })),
  keyed('datetime_key', jsonPath, (path) => ({ kind: 'datetime-key', path })),
  keyed('mult', list(expression), (parts) => ({ kind: 'mult', parts })),
  keyed('sum', list(expression), (parts) => ({ kind: 'sum', parts })),
  unary('neg'),
  unary('abs'),
  keyed(
    'div',
    struct('DivParams', { left: required(expression), right: required(expression), by_zero_default: maybe(f32) }),
    ({ left, right, by_zero_default }) => ({ kind: 'div', left, right, byZeroDefault: by_zero_default }),
  ),
  unary('sqrt'),
  keyed('pow', struct('PowParams', { base: required(expression), exponent: required(expression) }), (params) => ({
    kind: 'pow',
    ...params,
  })),
  unary('exp'),
  unary('log10'),
  unary('ln'),
  decay('lin_decay'),
  decay('exp_decay'),
  decay('gauss_decay'),
)

export const formula = struct<Formula>('FormulaQuery', {
  formula: required(expression),
  defaults: optional<ReadonlyMap<string, Json>>(dictionary(json), () => new Map()),
})

/** `$score`, `$score[1]` or a path into the payload; a text when it is none of them. */
export function parseVariable(name: string): Variable | string {
  const path = parsePath(name.startsWith('$') ? name.slice(1) : name)
  if (!name.startsWith('$')) return path ? { kind: 'payload', path } : `Invalid payload variable: ${name}`
  const invalid = `Invalid reserved variable: ${name}`
  if (path?.first !== 'score') return invalid
  const [item, ...rest] = path.rest
  if (item === undefined) return { kind: 'score', index: 0 }
  return item !== 'every' && 'index' in item && rest.length === 0 ? { kind: 'score', index: item.index } : invalid
}

export const variableKey = (variable: Variable) =>
  variable.kind === 'score' ? `$score[${variable.index}]` : printPath(variable.path)

export function formulaProblems({ defaults }: Formula): Problem[] {
  return [...defaults].flatMap(([key, value]) => {
    const variable = parseVariable(key)
    if (typeof variable === 'string') return [{ path: 'defaults', message: variable }]
    const isBad = variable.kind === 'score' && numberOf(value) === undefined
    return isBad ? [problem('defaults', 'Score default must be a number')] : []
  })
}
