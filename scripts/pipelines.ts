import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import {
  type JsonSchema,
  publishedJsonSchema,
  type SchemaKey,
  schemaKeys,
  typesOf,
} from '../src/pipeline/json-schema.ts'

/** What is made of the schema of pipelines: `npm run pipelines` writes it, a test holds it equal. */
export const schemaFile = new URL('../schema/pipeline.json', import.meta.url)
export const pipelinesPage = new URL('../docs/pipelines.md', import.meta.url)

/** The JSON Schema as it is published. */
export function schemaText(): string {
  return `${JSON.stringify(publishedJsonSchema(), null, 2)}\n`
}

/** The page with a table of keys between each pair of markers, `<!-- keys of source -->` and `<!-- /keys -->`. */
export function withKeyTables(page: string): string {
  return page.replace(
    /(<!-- keys of (\w+) -->\n)[\s\S]*?(<!-- \/keys -->)/g,
    (_, open: string, section: string, close: string) =>
      [`${open}| key | type | default | meaning |`, '|---|---|---|---|', ...keyRows(section), close].join('\n'),
  )
}

/** Alternatives are conditions again. */
const repeated = 'filter.[].any.[].'

/** A row per key of a section, its own first. */
function keyRows(section: string): readonly string[] {
  return schemaKeys()
    .filter(({ path }) => path[0] === section && !path.join('.').startsWith(repeated))
    .map(
      (key) => `| \`${nameOf(key)}\` | ${typeOf(key.schema)} | ${defaultOf(key)} | ${key.schema.description ?? ''} |`,
    )
}

/** `filter[].any[].field` */
function nameOf({ path }: SchemaKey): string {
  return path.join('.').replaceAll('.[]', '[]')
}

function typeOf(schema: JsonSchema): string {
  const { enum: values, const: only, anyOf, items, additionalProperties, writeOnly } = schema
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ')
  if (values) return values.map((value) => `\`${value}\``).join(', ')
  if (only !== undefined) return `\`${only}\``
  if (items) return `list of ${typeOf(items)}`
  if (typeof additionalProperties === 'object') return `names to ${typeOf(additionalProperties)}`
  if (writeOnly) return 'secret'
  const words = typesOf(schema).map((type) => typeWords[type] ?? type)
  return words.length === 0 ? 'any' : words.join(' or ')
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'section',
  string: 'text',
  integer: 'whole number',
  boolean: '`true`, `false`',
}

function defaultOf({ schema, required }: SchemaKey): string {
  const { default: standard } = schema
  if (standard === undefined || typeof standard === 'object') return required ? 'must be given' : '-'
  return `\`${JSON.stringify(standard)}\``
}

if (import.meta.main) {
  mkdirSync(new URL('.', schemaFile), { recursive: true })
  writeFileSync(schemaFile, schemaText())
  writeFileSync(pipelinesPage, withKeyTables(readFileSync(pipelinesPage, 'utf8')))
}
