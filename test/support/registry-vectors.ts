import { readFileSync } from 'node:fs'
import type { SchemaRegistryDouble } from './schema-registry-double.ts'

/** A value as another client wrote it. */
export interface RegistryVector {
  readonly name: string
  /** The program, with its version. */
  readonly writer: string
  readonly format: 'avro' | 'json' | 'protobuf'
  readonly id: number
  readonly schema: string
  readonly references: readonly { readonly name: string; readonly subject: string; readonly version: number }[]
  readonly imports?: readonly { readonly subject: string; readonly version: number; readonly schema: string }[]
  /** Hexadecimal. */
  readonly bytes: string
  /** As JSON has it: bytes are hexadecimal, bigints texts. */
  readonly value: unknown
  /** Avro: how the value has its longs. Default `number`. */
  readonly longs?: 'number' | 'bigint'
  /** Protobuf: the full name. */
  readonly message?: string
}

const file = new URL('../fixtures/schema-registry/vectors.json', import.meta.url)
const all: readonly RegistryVector[] = JSON.parse(readFileSync(file, 'utf8')).vectors

export function vectorsOf(format: RegistryVector['format']): readonly (readonly [string, RegistryVector])[] {
  return all.filter((vector) => vector.format === format).map((vector) => [vector.name, vector])
}

const schemaTypes = { avro: 'AVRO', json: 'JSON', protobuf: 'PROTOBUF' }

/** Puts the schema of a vector, and what it refers to, where its writer found them. */
export function putVector(
  registry: SchemaRegistryDouble,
  { id, schema, references, imports = [], format }: RegistryVector,
): void {
  const schemaType = schemaTypes[format]
  for (const [at, imported] of imports.entries())
    registry.put(10_000 + at, { schema: imported.schema, schemaType }, imported.subject)
  registry.put(id, { schema, schemaType, references })
}

export const bytesOf = ({ bytes }: RegistryVector): Uint8Array => Uint8Array.from(Buffer.from(bytes, 'hex'))

/** A value as a vector has it. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, comparable(item)]))
}
