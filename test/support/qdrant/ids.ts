/** Point ids: unsigned integers of 64 bits and UUIDs. Numbers above 2^53 are bigints, UUIDs are lower case with dashes. */
import { Float, type Json, toJson } from './json.ts'
import { plainFloat } from './numbers.ts'
import { custom, type Decode } from './serde.ts'

export type PointId = number | bigint | string

const plain = /^[0-9a-f]{32}$/
const dashed = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The four spellings that the server takes: plain, dashed, in braces, as a URN. */
export function parseUuid(text: string): string | undefined {
  const lower = text.toLowerCase()
  const bare = lower.startsWith('{') && lower.endsWith('}') ? lower.slice(1, -1) : lower.replace(/^urn:uuid:/, '')
  if (bare === lower ? !plain.test(bare) && !dashed.test(bare) : !dashed.test(bare)) return undefined
  const digits = bare.replaceAll('-', '')
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  )
}

export const pointId: Decode<PointId> = (node) => {
  const value = toJson(node)
  if ((typeof value === 'number' || typeof value === 'bigint') && value >= 0) return value
  const uuid = typeof value === 'string' ? parseUuid(value) : undefined
  if (uuid !== undefined) return uuid
  throw custom(`value ${printed(value)} is not a valid point ID, valid values are either an unsigned integer or a UUID`)
}

/** The way Rust prints a generic value. */
function printed(value: Json): string {
  if (value === null) return 'Unit'
  if (value instanceof Float) return plainFloat(value.value)
  if (Array.isArray(value)) return `[${value.map(debugged).join(', ')}]`
  if (!(value instanceof Map)) return String(value)
  const keys = [...value].sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${keys.map(([key, item]) => `String(${JSON.stringify(key)}): ${debugged(item)}`).join(', ')}}`
}

function debugged(value: Json): string {
  if (value === null) return 'Unit'
  if (typeof value === 'string') return `String(${JSON.stringify(value)})`
  if (typeof value === 'boolean') return `Bool(${value})`
  if (value instanceof Float) return `F64(${Number.isInteger(value.value) ? `${value.value}.0` : value.value})`
  if (Array.isArray(value)) return `Seq(${printed(value)})`
  if (value instanceof Map) return `Map(${printed(value)})`
  return value < 0 ? `I64(${value})` : `U64(${value})`
}

/** An id in a path. */
export function parsePointId(text: string): PointId | undefined {
  if (/^\+?\d+$/.test(text)) {
    const value = BigInt(text.replace('+', ''))
    if (value <= 18446744073709551615n) return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
  }
  return parseUuid(text)
}

/** Numbers first, then UUIDs. */
export function compareIds(a: PointId, b: PointId): number {
  const kinds = Number(typeof a === 'string') - Number(typeof b === 'string')
  if (kinds !== 0) return kinds
  if (a === b) return 0
  return a < b ? -1 : 1
}
