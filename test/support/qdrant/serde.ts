/**
 * Typed reading of a body with the messages of Rust's serde: what was found, what was expected, and the byte where the reader stood.
 *
 * The server reads in four ways, and the text of an error tells which: straight from the bytes (`stream`), from a buffer (`content`,
 * behind untagged enums and flattened structs), from a JSON value (`value`) or from a generic value (`generic`).
 */
import { ArrayNode, Float, type Json, type JsonObject, type Node, type ObjectNode, toJson } from './json.ts'
import { formatFloat64, plainFloat } from './numbers.ts'

export type Way = 'stream' | 'content' | 'value' | 'generic'

export type Decode<T> = (node: Node, way: Way) => T

export class DecodeError extends Error {
  /** Byte offset; undefined until the enclosing struct or list of a streamed body fills it in. */
  offset: number | undefined

  constructor(message: string, offset?: number) {
    super(message)
    this.offset = offset
  }
}

function invalidType(node: Node, expected: string, way: Way): DecodeError {
  const offset = node.kind === 'scalar' ? node.end : node.start
  return mismatch({ problem: 'type', node, expected, way, offset })
}

function invalidValue(node: Node, expected: string, way: Way): DecodeError {
  return mismatch({ problem: 'value', node, expected, way, offset: node.end })
}

interface Mismatch {
  readonly problem: 'type' | 'value'
  readonly node: Node
  readonly expected: string
  readonly way: Way
  readonly offset: number
}

function mismatch({ problem, node, expected, way, offset }: Mismatch): DecodeError {
  const found = describe(node, way)
  const isGeneric = way === 'generic'
  const message = isGeneric
    ? `Invalid ${problem} ${found}. Expected ${expected}`
    : `invalid ${problem}: ${found}, expected ${expected}`
  return new DecodeError(message, way === 'stream' ? offset : undefined)
}

function describe(node: Node, way: Way): string {
  if (node.kind === 'array') return 'sequence'
  if (node.kind === 'object') return 'map'
  const { value } = node
  if (value === null) return way === 'generic' ? 'unit value' : 'null'
  if (typeof value === 'boolean') return `boolean \`${value}\``
  if (typeof value === 'string') return `string ${debugString(value)}`
  if (!(value instanceof Float)) return `integer \`${value}\``
  return `floating point \`${way === 'generic' ? withPoint(value.value) : formatFloat64(value.value)}\``
}

const withPoint = (value: number) => (Number.isInteger(value) ? `${plainFloat(value)}.0` : plainFloat(value))

/** A string as Rust's `{:?}` prints it. */
export const debugString = (text: string) => JSON.stringify(text).replace(/\\b/g, '\\u{8}').replace(/\\f/g, '\\u{c}')

export const custom = (message: string) => new DecodeError(message)

const scalarOf = (node: Node) => (node.kind === 'scalar' ? node.value : undefined)

interface IntegerRange {
  readonly min: bigint
  readonly max: bigint
}

const integer =
  (expected: string, range: IntegerRange): Decode<number | bigint> =>
  (node, way) => {
    const value = scalarOf(node)
    if (typeof value !== 'number' && typeof value !== 'bigint') throw invalidType(node, expected, way)
    if (value < range.min || value > range.max) throw invalidValue(node, expected, way)
    return value
  }

/** For counts and sizes: what is above 2^53 may lose its last digits. */
const count =
  (expected: string, max: bigint): Decode<number> =>
  (node, way) =>
    Number(integer(expected, { min: 0n, max })(node, way))

const maxUnsigned = 18446744073709551615n

export const u64 = integer('u64', { min: 0n, max: maxUnsigned })
export const i64 = integer('i64', { min: -9223372036854775808n, max: 9223372036854775807n })
export const usize = count('usize', maxUnsigned)
export const u32 = count('u32', 4294967295n)
export const u8 = count('u8', 255n)

export const nonZero =
  (expected: string): Decode<number> =>
  (node, way) => {
    const value = integer(`a nonzero ${expected}`, { min: 1n, max: maxUnsigned })(node, way)
    return Number(value)
  }

const float =
  (expected: string): Decode<number> =>
  (node, way) => {
    const value = scalarOf(node)
    if (value instanceof Float) return value.value
    if (typeof value === 'number' || typeof value === 'bigint') return Number(value)
    throw invalidType(node, expected, way)
  }

export const f64 = float('f64')
export const f32: Decode<number> = (node, way) => Math.fround(float('f32')(node, way))

export const boolean: Decode<boolean> = (node, way) => {
  const value = scalarOf(node)
  if (typeof value !== 'boolean') throw invalidType(node, 'a boolean', way)
  return value
}

export const string: Decode<string> = (node, way) => {
  const value = scalarOf(node)
  if (typeof value !== 'string') throw invalidType(node, 'a string', way)
  return value
}

export const json: Decode<Json> = (node) => toJson(node)

export const jsonObject: Decode<JsonObject> = (node, way) => {
  const value = toJson(node)
  if (!(value instanceof Map)) throw invalidType(node, 'a map', way)
  return value
}

/** `missing` is what an absent field of this type means. */
export type OptionDecode<T> = Decode<T | undefined> & { readonly isOption: true }

export function option<T>(decode: Decode<T>): OptionDecode<T> {
  const read: Decode<T | undefined> = (node, way) =>
    node.kind === 'scalar' && node.value === null ? undefined : decode(node, way)
  return Object.assign(read, { isOption: true as const })
}

export function list<T>(decode: Decode<T>): Decode<T[]> {
  return (node, way) => {
    if (node.kind !== 'array') throw invalidType(node, 'a sequence', way)
    const { items } = node
    return items.map((item, index) =>
      placed({ way, offset: index === items.length - 1 ? node.end : item.end + 1 }, () => decode(item, way)),
    )
  }
}

/** A list of floats of 32 bits, read without looking at each number on its own where that is possible. */
export const floats: Decode<Float32Array> = (node, way) => {
  if (node.kind === 'array' && node.numbers) return Float32Array.from(node.numbers)
  return Float32Array.from(list(f32)(node, way))
}

export function dictionary<T>(decode: Decode<T>): Decode<Map<string, T>> {
  return (node, way) => {
    if (node.kind !== 'object') throw invalidType(node, 'a map', way)
    return new Map(
      ordered(node, way).map(({ key, value }, index, all) => [
        key,
        placed({ way, offset: index === all.length - 1 ? node.end : value.end }, () => decode(value, way)),
      ]),
    )
  }
}

/** A generic value keeps its keys sorted, and like a JSON value only the last of equal ones. */
function ordered(node: ObjectNode, way: Way) {
  if (way === 'stream' || way === 'content') return node.entries
  const last = [...new Map(node.entries.map((entry) => [entry.key, entry])).values()]
  return way === 'generic' ? last.sort((a, b) => (a.key < b.key ? -1 : 1)) : last
}

/** Gives an error without a place the place where the enclosing reader stands. */
export function placed<T>({ way, offset }: { way: Way; offset: number }, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError && way === 'stream') error.offset ??= offset
    throw error
  }
}

export interface Field<T> {
  readonly decode: Decode<T>
  readonly aliases?: readonly string[]
  /** Value of an absent field; without it an absent field is an error, unless it is an option. */
  readonly absent?: () => T
}

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> }

export interface StructOptions {
  readonly denyUnknown?: boolean
}

export function required<T>(decode: Decode<T>, aliases: readonly string[] = []): Field<T> {
  return { decode, aliases }
}

/** A field that may be missing, also from the end of a list. */
export function optional<T>(decode: Decode<T>, absent: () => T, aliases: readonly string[] = []): Field<T> {
  return { decode, absent, aliases }
}

/** `Option<T>` without a default: may be missing in an object. */
export function maybe<T>(decode: Decode<T>, aliases: readonly string[] = []): Field<T | undefined> {
  return { decode: option(decode), aliases }
}

export function struct<T extends object>(name: string, fields: Fields<T>, options: StructOptions = {}): Decode<T> {
  const names = Object.keys(fields)
  const specs = new Map<string, Field<unknown>>(Object.entries(fields))
  const nameOf = new Map<string, string>()
  for (const [field, { aliases = [] }] of specs) for (const key of [field, ...aliases]) nameOf.set(key, field)
  const reader = { name, names, specs, nameOf, denyUnknown: options.denyUnknown ?? false }
  return (node, way) => {
    // The fields were read one by one with the decoders of their own types.
    if (node.kind === 'object') return readObject(reader, node, way) as T
    if (node instanceof ArrayNode) return readSequence(reader, node, way) as T
    throw invalidType(node, `struct ${name}`, way)
  }
}

interface StructReader {
  readonly name: string
  readonly names: readonly string[]
  readonly specs: ReadonlyMap<string, Field<unknown>>
  readonly nameOf: ReadonlyMap<string, string>
  readonly denyUnknown: boolean
}

function readObject(reader: StructReader, node: ObjectNode, way: Way): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  const entries = ordered(node, way)
  entries.forEach(({ key, keyEnd, value }, index) => {
    const field = reader.nameOf.get(key)
    const offset = index === entries.length - 1 ? node.end : value.end
    if (field === undefined) {
      if (reader.denyUnknown) throw unknownField(key, reader.names, { way, offset: keyEnd })
      return
    }
    if (Object.hasOwn(result, field)) {
      throw new DecodeError(`duplicate field \`${field}\``, way === 'stream' ? keyEnd : undefined)
    }
    result[field] = placed({ way, offset }, () => reader.specs.get(field)?.decode(value, way))
  })
  for (const [field, spec] of reader.specs) {
    if (!Object.hasOwn(result, field)) result[field] = absentValue(field, spec, { way, offset: node.end })
  }
  return result
}

interface Place {
  readonly way: Way
  readonly offset: number
}

function absentValue(field: string, spec: Field<unknown>, { way, offset }: Place): unknown {
  if (spec.absent) return spec.absent()
  if ('isOption' in spec.decode) return undefined
  const message = way === 'generic' ? `Missing field ${field}` : `missing field \`${field}\``
  throw new DecodeError(message, way === 'stream' ? offset : undefined)
}

function readSequence(reader: StructReader, node: ArrayNode, way: Way): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  const { items } = node
  let index = 0
  for (const [field, spec] of reader.specs) {
    const item = items[index]
    if (item) {
      const offset = index === items.length - 1 ? node.end : item.end + 1
      result[field] = placed({ way, offset }, () => spec.decode(item, way))
    } else if (spec.absent) result[field] = spec.absent()
    else throw invalidLength(reader, index, { way, offset: node.end })
    index++
  }
  if (items.length > reader.specs.size) throw tooManyItems(items.length, reader, { way, offset: node.end })
  return result
}

/** Each way of reading has words of its own for what is left over at the end of a list. */
function tooManyItems(length: number, { specs }: StructReader, { way, offset }: Place): DecodeError {
  if (way === 'stream') return new DecodeError('trailing characters', offset)
  if (way !== 'content') return custom(`invalid length ${length}, expected fewer elements in array`)
  return custom(`invalid length ${length}, expected ${specs.size} element${specs.size === 1 ? '' : 's'} in sequence`)
}

function invalidLength({ name, names }: StructReader, length: number, { way, offset }: Place): DecodeError {
  const expected = `struct ${name} with ${names.length} element${names.length === 1 ? '' : 's'}`
  if (way === 'generic') return new DecodeError(`Invalid length ${length}. Expected ${expected}`)
  return new DecodeError(`invalid length ${length}, expected ${expected}`, way === 'stream' ? offset : undefined)
}

function unknownField(key: string, names: readonly string[], { way, offset }: Place): DecodeError {
  if (way === 'generic') return new DecodeError(`Unknown field ${key}. Expected one of ${names.join(', ')}`)
  return new DecodeError(`unknown field \`${key}\`, expected ${oneOf(names)}`, way === 'stream' ? offset : undefined)
}

export function oneOf(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``)
  return quoted.length < 3 ? quoted.join(' or ') : `one of ${quoted.join(', ')}`
}

/** A string out of a fixed set. */
export function variants<const T extends string>(...names: readonly T[]): Decode<T> {
  return (node, way) => {
    const value = scalarOf(node)
    const found = names.find((name) => name === value)
    if (found !== undefined) return found
    if (typeof value === 'string') throw unknownVariant(value, names, { way, offset: node.end })
    if (way === 'stream') throw new DecodeError('expected value', node.start + 1)
    throw invalidType(node, 'string or map', way)
  }
}

export function unknownVariant(value: string, names: readonly string[], { way, offset }: Place): DecodeError {
  if (way === 'generic') return new DecodeError(`Unknown variant ${value}. Expected one of ${names.join(', ')}`)
  return new DecodeError(
    `unknown variant \`${value}\`, expected ${oneOf(names)}`,
    way === 'stream' ? offset : undefined,
  )
}

/** The first variant that can be read; otherwise one message that names none of them. */
export function untagged<T>(message: string, ...decoders: readonly Decode<T>[]): Decode<T> {
  return (node) => {
    for (const decode of decoders) {
      try {
        return decode(node, 'content')
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
    throw custom(message)
  }
}

export const noVariant = (name: string) => `data did not match any variant of untagged enum ${name}`

/** Reads by way of another representation; what goes wrong there has no place. */
export function through<T>(inner: Way, decode: Decode<T>): Decode<T> {
  return (node) => {
    try {
      return decode(node, inner)
    } catch (error) {
      if (error instanceof DecodeError) error.offset = undefined
      throw error
    }
  }
}

/** A struct with flattened parts: everything is buffered first, so errors stand at its end. */
export function flattened<T>(name: string, decode: Decode<T>): Decode<T> {
  return (node, way) => {
    if (node.kind !== 'object') throw invalidType(node, `struct ${name}`, way)
    return placed({ way, offset: node.end }, () => decode(node, 'content'))
  }
}

/** One value, or a list of them. */
export function oneOrMany<T>(decode: Decode<T>): Decode<T[] | undefined> {
  return (node, way) => {
    if (node.kind === 'array') return list(decode)(node, way)
    if (node.kind === 'object') return [decode(node, way)]
    if (node.value === null) return undefined
    throw invalidType(node, 'null, array or map', way)
  }
}
