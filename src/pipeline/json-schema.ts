import { z } from 'zod'
import type { Path } from './problem.ts'
import { pipelineSchema } from './schema/pipeline.ts'

/** The part of JSON Schema that descriptions use. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  /** The value is a secret. */
  readonly writeOnly?: boolean
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
}

/** The types that a value may have; none when it may have any. */
export function typesOf({ type = [] }: JsonSchema): readonly string[] {
  return typeof type === 'string' ? [type] : type
}

/** The schema of a pipeline file as JSON Schema, before `${...}` is replaced by what it stands for. */
const pipelineJsonSchema: JsonSchema = z.toJSONSchema(pipelineSchema, {
  io: 'input',
  // Alternatives that are told apart by a key exclude one another anyway: one word for alternatives is enough for whoever reads this.
  override: ({ jsonSchema }) => {
    const { oneOf } = jsonSchema
    if (!oneOf) return
    delete jsonSchema.oneOf
    jsonSchema.anyOf = oneOf
  },
}) as JsonSchema

/** What may stand at a path: one schema, or each of several alternatives. */
export function schemasAt(path: Path): readonly JsonSchema[] {
  let found = alternativesOf(pipelineJsonSchema)
  for (const part of path) found = found.flatMap((schema) => childrenAt(schema, part)).flatMap(alternativesOf)
  return found
}

function alternativesOf(schema: JsonSchema): readonly JsonSchema[] {
  return schema.anyOf ? schema.anyOf.flatMap(alternativesOf) : [schema]
}

function childrenAt(
  { properties, additionalProperties, items }: JsonSchema,
  part: string | number,
): readonly JsonSchema[] {
  if (typeof part === 'number') return items ? [items] : []
  if (properties && Object.hasOwn(properties, part)) return [properties[part] ?? {}]
  return typeof additionalProperties === 'object' ? [additionalProperties] : []
}

/** The keys that may stand in a section. */
export function keysAt(path: Path): readonly string[] {
  return schemasAt(path).flatMap(({ properties }) => Object.keys(properties ?? {}))
}

export function isSecret(path: Path): boolean {
  let found: readonly JsonSchema[] = [pipelineJsonSchema]
  for (const part of path) found = found.flatMap(alternativesOf).flatMap((schema) => childrenAt(schema, part))
  return found.some(({ writeOnly }) => writeOnly === true)
}

/** A key with its schema, and where it stands; `[]` stands for every item of a list, `<name>` for a name of the user's. */
export interface SchemaKey {
  readonly path: readonly string[]
  readonly schema: JsonSchema
  readonly required: boolean
}

/** Every key of a description, sections before what is in them. */
export function schemaKeys(
  schema: JsonSchema = pipelineJsonSchema,
  path: readonly string[] = [],
): readonly SchemaKey[] {
  const { properties = {}, required = [], items, anyOf = [], additionalProperties } = schema
  const own = Object.entries(properties).flatMap(([name, child]) => [
    { path: [...path, name], schema: child, required: required.includes(name) },
    ...schemaKeys(child, [...path, name]),
  ])
  return [
    ...own,
    ...anyOf.flatMap((alternative) => schemaKeys(alternative, path).map((key) => ({ ...key, required: false }))),
    ...(items ? schemaKeys(items, [...path, '[]']) : []),
    ...(typeof additionalProperties === 'object' ? schemaKeys(additionalProperties, [...path, '<name>']) : []),
  ]
}

/** What editors check files with: a value of any type may also be a text with a reference in it. */
export function publishedJsonSchema(): JsonSchema {
  const { $schema, ...schema } = pipelineJsonSchema as JsonSchema & { readonly $schema?: string }
  const title = 'A Millrace pipeline (millrace.yaml)'
  return { ...($schema !== undefined && { $schema }), title, ...withReferences(schema) } as JsonSchema
}

const reference: JsonSchema = { type: 'string', pattern: '\\$\\{' }

function withReferences(schema: JsonSchema): JsonSchema {
  const { properties, items, anyOf, additionalProperties } = schema
  const isLeaf = !properties && !items && !anyOf && typeof additionalProperties !== 'object'
  if (isLeaf) return takesAnyText(schema) ? schema : leafWithReference(schema)
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, withReferences(child)])),
    }),
    ...(items && { items: withReferences(items) }),
    ...(anyOf && { anyOf: [...anyOf.map(withoutReferences), ...(anyOf.some(takesAnyText) ? [] : [reference])] }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: withReferences(additionalProperties) }),
  }
}

/** An alternative of a union, which has one reference for all. */
function withoutReferences(schema: JsonSchema): JsonSchema {
  return schema.properties || schema.items ? withReferences(schema) : schema
}

function takesAnyText(schema: JsonSchema): boolean {
  const types = typesOf(schema)
  const isText = types.includes('string') && schema.pattern === undefined && schema.enum === undefined
  return (types.length === 0 && schema.const === undefined) || (isText && schema.const === undefined)
}

function leafWithReference({ description, default: standard, writeOnly, ...rule }: JsonSchema): JsonSchema {
  return {
    ...(description !== undefined && { description }),
    ...(standard !== undefined && { default: standard }),
    ...(writeOnly !== undefined && { writeOnly }),
    anyOf: [rule, reference],
  }
}
