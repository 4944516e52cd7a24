import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
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

/** What is to be written under a subject. */
export interface OwnSchema extends RegisteredSchema {
  readonly subject: string
  /** False: the registry must have it already. */
  readonly register: boolean
  /** The registry compares schemas by what they mean and not by their text. */
  readonly normalize: boolean
}

/** Where schemas lie. What passes is tried again until the signal aborts; REGISTRY_DENIED, CONFIG_INVALID: nothing can be had. */
export interface SchemaRegistry {
  /** Where it is, for messages. */
  readonly address: string
  readonly clock: Clock
  /** The schema of an id, with everything that it refers to. SCHEMA_REFUSED: there is none. */
  schema(id: number, signal: AbortSignal): Promise<CompleteSchema>
  /** A schema of ours with everything that it refers to. SCHEMA_REFUSED: something of it is not there. */
  complete(schema: RegisteredSchema, signal: AbortSignal): Promise<CompleteSchema>
  /** The id of a schema of ours, which is registered or looked up. SCHEMA_REFUSED: it is not compatible, not valid, or not there. */
  idOf(schema: OwnSchema, signal: AbortSignal): Promise<number>
}

/** A schema that refers to more than these is taken for a mistake. */
const maxImports = 200

/** Gets what a schema refers to, directly and through others. Throws SCHEMA_REFUSED for a schema with too many of them. */
export async function withImports(
  { type, text, references }: RegisteredSchema,
  schemaOf: (reference: SchemaReference) => Promise<RegisteredSchema>,
): Promise<CompleteSchema> {
  const imports = new Map<string, NamedSchema>()
  const seen = new Set<string>()
  const add = async (wanted: readonly SchemaReference[]): Promise<void> => {
    for (const reference of wanted) {
      const { name } = reference
      if (seen.has(name)) continue
      seen.add(name)
      if (seen.size > maxImports) {
        throw new StreamError('SCHEMA_REFUSED', `a schema refers to more than ${maxImports} others`)
      }
      const schema = await schemaOf(reference)
      await add(schema.references)
      imports.set(name, { name, text: schema.text })
    }
  }
  await add(references)
  return { type, text, imports: [...imports.values()] }
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
