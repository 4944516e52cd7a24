import type { Serde, Shape } from '../../serde.ts'
import { type Format, type Read, RegistrySerde, type RegistrySerdeOptions, type Writer } from './registry-serde.ts'
import type { CompleteSchema, SchemaRegistry } from './schemas.ts'

export interface JsonSchemaOptions extends RegistrySerdeOptions {
  /** What is read is checked against the schema that it was written with, too, and not against `shape` alone. Default false, as in Java. */
  readonly validate?: boolean
}

/**
 * JSON behind the id of its schema in a registry, as Confluent's KafkaJsonSchemaSerializer writes it. What is written must fit `schema`
 * (drafts 6, 7, 2019-09 and 2020-12; formats are not checked); with the subject naming `record` its `title` is the name.
 *
 * Reading throws RECORD_UNDECODABLE, also for a schema that the registry does not have. While the registry is down the topic waits.
 *
 * @example
 * const registry = schemaRegistry({ url: 'http://127.0.0.1:8081' })
 * const Document = z.object({ title: z.string(), body: z.string() })
 * const schema = JSON.stringify(z.toJSONSchema(Document))
 * stream.to('copy', kafkaTopic({ topic: 'copy', key: string, value: jsonSchema(registry, Document, { schema }) }))
 */
export function jsonSchema<T>(registry: SchemaRegistry, shape: Shape<T>, options: JsonSchemaOptions = {}): Serde<T> {
  const { validate = false } = options
  const format: Format = {
    type: 'JSON',
    name: 'JSON Schema',
    reader: (schema) => readerOf(schema, validate),
    writer: writerOf,
  }
  return new RegistrySerde(registry, format, shape, options)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

async function readerOf(schema: CompleteSchema, validate: boolean): Promise<Read> {
  const check = validate ? await checkOf(schema) : () => undefined
  return (payload) => {
    const value: unknown = JSON.parse(decoder.decode(payload))
    check(value)
    return value
  }
}

async function writerOf(schema: CompleteSchema): Promise<Writer> {
  const check = await checkOf(schema)
  const { title }: { title?: unknown } = Object(JSON.parse(schema.text))
  return {
    recordName: typeof title === 'string' ? title : undefined,
    write: (value) => {
      const text = JSON.stringify(value)
      if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`)
      // What is written and not what it was made of: a date is a text by now.
      check(JSON.parse(text))
      return encoder.encode(text)
    },
  }
}

/** Throws what does not fit the schema. */
type Check = (value: unknown) => void

async function checkOf({ text, imports }: CompleteSchema): Promise<Check> {
  const schema: object | boolean = JSON.parse(text)
  const ajv = new (await validatorFor(schema))({
    strict: false,
    validateFormats: false,
    addUsedSchema: false,
    logger: false,
  })
  for (const { name, text: imported } of imports) ajv.addSchema(JSON.parse(imported), keyOf(name, schema))
  const validate = ajv.compile(schema)
  return (value) => {
    if (!validate(value)) throw new TypeError(ajv.errorsText(validate.errors, { dataVar: 'value' }))
  }
}

/** ajv, which only those need who write JSON Schema or validate it, for the draft of the schema. */
async function validatorFor(schema: object | boolean) {
  const { $schema: draft = '' }: { $schema?: unknown } = Object(schema)
  if (/draft\/2020-12/.test(String(draft))) return (await import('ajv/dist/2020.js')).Ajv2020
  if (/draft\/2019-09/.test(String(draft))) return (await import('ajv/dist/2019.js')).Ajv2019
  if (/draft-0[1-4]/.test(String(draft))) throw new TypeError(`values cannot be checked against ${draft}`)
  return (await import('ajv')).Ajv
}

/** A reference is relative to the `$id` of the schema that has it. */
function keyOf(name: string, schema: object | boolean): string {
  const { $id: base }: { $id?: unknown } = Object(schema)
  return (typeof base === 'string' && URL.parse(name, base)?.href) || name
}
