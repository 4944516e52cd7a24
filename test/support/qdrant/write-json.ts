import { Float, type Json } from './json.ts'
import { formatFloat32, formatFloat64 } from './numbers.ts'

/** A float of 32 bits: scores. */
export class Single {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** What a handler may answer with: JSON, vectors, scores, and objects whose undefined fields are left out. */
export type Answer =
  | Json
  | Single
  | Float32Array
  | readonly Answer[]
  | ReadonlyMap<string, Answer>
  | { readonly [key: string]: Answer | undefined }

export function writeJson(value: Answer): string {
  if (value === null || typeof value !== 'object') return writeScalar(value)
  if (value instanceof Float) return formatFloat64(value.value)
  if (value instanceof Single) return formatFloat32(value.value)
  if (value instanceof Float32Array) return `[${Array.from(value, formatFloat32).join()}]`
  if (Array.isArray(value)) return `[${value.map(writeJson).join()}]`
  return writeObject(value instanceof Map ? value.entries() : Object.entries(value))
}

function writeScalar(value: null | boolean | number | bigint | string): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'number' && !Number.isInteger(value) ? formatFloat64(value) : String(value)
}

function writeObject(entries: Iterable<readonly [string, Answer | undefined]>): string {
  const parts: string[] = []
  for (const [key, item] of entries) if (item !== undefined) parts.push(`${JSON.stringify(key)}:${writeJson(item)}`)
  return `{${parts.join()}}`
}
