import type { Enum, Field, Type } from 'protobufjs'

/** Replaces every bigint by its number. Throws for one that a number cannot hold. */
export function withNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    if (value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER) return Number(value)
    throw new RangeError(`the integer ${value} is beyond 2^53, where numbers are not exact (longs: 'bigint' reads it)`)
  }
  if (Array.isArray(value)) return value.map(withNumbers)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withNumbers(item)]))
}

/**
 * What in a value does not fit a message: protobufjs itself leaves out fields that it does not know, and makes 0 of a text.
 */
export function problemOf(type: Type, value: unknown, path = ''): string | undefined {
  if (!isObject(value)) return `${path || 'the value'} is no ${type.name}`
  for (const [name, item] of Object.entries(value)) {
    const field = type.fields[name]
    const place = path === '' ? name : `${path}.${name}`
    if (!field) return `${place} is no field of ${type.fullName.slice(1)}`
    if (item === undefined || item === null) continue
    const problem = fieldProblem(field, item, place)
    if (problem !== undefined) return problem
  }
  return undefined
}

function fieldProblem(field: Field, item: unknown, place: string): string | undefined {
  if (field.repeated && !Array.isArray(item)) return `${place} is no list`
  if (field.map && !isObject(item)) return `${place} is no map`
  const items = field.repeated || field.map ? Object.entries(Object(item)) : undefined
  if (!items) return itemProblem(field, item, place)
  for (const [at, one] of items) {
    const problem = itemProblem(field, one, `${place}.${at}`)
    if (problem !== undefined) return problem
  }
  return undefined
}

function itemProblem({ type, resolvedType }: Field, item: unknown, place: string): string | undefined {
  if (resolvedType && 'fields' in resolvedType) return problemOf(resolvedType, item, place)
  const fits = resolvedType ? isMember(resolvedType, item) : isScalar(type, item)
  return fits ? undefined : `${place} is no ${resolvedType?.name ?? type}`
}

function isMember({ values }: Enum, item: unknown): boolean {
  return typeof item === 'string' ? Object.hasOwn(values, item) : Number.isInteger(item)
}

const wholeTypes = /^(s?fixed|[us]?int)(32|64)$/

function isScalar(type: string, item: unknown): boolean {
  if (type === 'string') return typeof item === 'string'
  if (type === 'bool') return typeof item === 'boolean'
  if (type === 'bytes') return item instanceof Uint8Array
  const whole = wholeTypes.exec(type)
  if (!whole) return typeof item === 'number'
  const bits = whole[2] === '64' ? 64 : 32
  if (typeof item === 'bigint') return isInRange(type, bits, item)
  return typeof item === 'number' && Number.isSafeInteger(item) && isInRange(type, bits, BigInt(item))
}

function isInRange(type: string, bits: 32 | 64, value: bigint): boolean {
  const isUnsigned = type.startsWith('u') || type.startsWith('fixed')
  return (isUnsigned ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value)) === value
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}
