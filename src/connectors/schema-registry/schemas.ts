import { excerpt, notARegistry, parsed } from './answers.ts'

/** What a schema is written in, as the registry names it. */
export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

/** A schema of another subject that this one uses, under the name by which it does: a type of Avro, a URI, a path to import. */
export interface SchemaReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** A schema as it lies in the registry. */
export interface RegisteredSchema {
  readonly type: SchemaType
  readonly text: string
  readonly references: readonly SchemaReference[]
}

/** A schema with everything that it refers to. */
export interface CompleteSchema {
  readonly type: SchemaType
  readonly text: string
  /** What each one uses comes before it. */
  readonly imports: readonly NamedSchema[]
}

export interface NamedSchema {
  readonly name: string
  readonly text: string
}

/** Throws CONFIG_INVALID for an answer that holds no schema. */
export function schemaIn(text: string, address: string): RegisteredSchema {
  const answer = parsed(text) ?? {}
  const { schema, schemaType = 'AVRO', references = [] }: Partial<Record<string, unknown>> = { ...answer }
  if (typeof schema !== 'string' || !isSchemaType(schemaType) || !isReferences(references)) {
    throw notARegistry(address, excerpt(text))
  }
  return { type: schemaType, text: schema, references }
}

/** Throws CONFIG_INVALID for an answer that holds no id. */
export function idIn(text: string, address: string): number {
  const answer = parsed(text) ?? {}
  if ('id' in answer && typeof answer.id === 'number') return answer.id
  throw notARegistry(address, excerpt(text))
}

function isSchemaType(value: unknown): value is SchemaType {
  return value === 'AVRO' || value === 'JSON' || value === 'PROTOBUF'
}

function isReferences(value: unknown): value is readonly SchemaReference[] {
  return Array.isArray(value) && value.every(isReference)
}

function isReference(value: unknown): value is SchemaReference {
  const { name, subject, version }: Partial<Record<string, unknown>> = { ...Object(value) }
  return typeof name === 'string' && typeof subject === 'string' && typeof version === 'number'
}
