import type { Schema, Type } from 'avsc'
import type { Serde, Shape } from '../../serde.ts'
import { boundedTypes } from './avro-bounds.ts'
import { bigintLongs, numberLongs } from './avro-longs.ts'
import { type Format, type Read, RegistrySerde, type RegistrySerdeOptions, type Writer } from './registry-serde.ts'
import type { CompleteSchema, SchemaRegistry } from './schemas.ts'

export interface AvroOptions extends RegistrySerdeOptions {
  /**
   * What a long becomes. With `number` one beyond 2^53 is RECORD_UNDECODABLE: nothing is rounded. Default `number`.
   */
  readonly longs?: 'number' | 'bigint'
}

/**
 * Values of Avro behind the id of their schema in a registry, as Confluent's KafkaAvroSerializer writes them. Each value is read with the
 * schema that it was written with and then checked against `shape`; with `schema` it is resolved to that one first, so that defaults
 * fill in what older producers did not write.
 *
 * Records become objects, enums texts, bytes and fixed Uint8Arrays; logical types stay as they are stored. A union is its value;
 * where that leaves open which member was meant (two records, two enums) it is `{ 'full.Name': value }`, for reading and writing. A number that
 * two members could hold is read, and refused when it is written.
 *
 * Reading throws RECORD_UNDECODABLE, also for a schema that the registry does not have. While the registry is down the topic waits.
 *
 * @example
 * const registry = schemaRegistry({ url: 'http://127.0.0.1:8081' })
 * const Document = z.object({ title: z.string(), body: z.string() })
 * builder.stream('documents', kafka({ topic: 'documents', key: string, value: avro(registry, Document) }))
 */
export function avro<T>(registry: SchemaRegistry, shape: Shape<T>, options: AvroOptions = {}): Serde<T> {
  const { longs = 'number' } = options
  const format: Format = {
    type: 'AVRO',
    name: 'Avro',
    reader: async (schema, own) => readerOf(await typeParser(longs), schema, own),
    writer: async (schema) => writerOf((await typeParser(longs))(schema)),
  }
  return new RegistrySerde(registry, format, shape, options)
}

type TypeParser = (schema: CompleteSchema) => Type

function readerOf(typeOf: TypeParser, schema: CompleteSchema, own: CompleteSchema | undefined): Read {
  const type = typeOf(schema)
  if (isBytes(type)) return (payload) => payload
  const reader = own ? typeOf(own) : type
  // avsc compares the two here, once.
  const resolver = own && reader.createResolver(type)
  return (payload) => reader.fromBuffer(bufferOf(payload), resolver)
}

function writerOf(type: Type): Writer {
  const write = (value: unknown) => (isBytes(type) && value instanceof Uint8Array ? value : type.toBuffer(value))
  return { recordName: type.name, write }
}

/** Java's serializer writes a value of the type bytes as it is, without its length. */
const isBytes = (type: Type) => type.typeName === 'bytes'

/** Loads avsc, which only those need who read Avro. */
async function typeParser(longs: 'number' | 'bigint'): Promise<TypeParser> {
  const { default: avsc } = await import('avsc')
  const long = avsc.types.LongType.__with(longs === 'bigint' ? bigintLongs : numberLongs)
  const bounded = boundedTypes(avsc.types)
  const typeHook = (schema: Schema, options: unknown) => (isLong(schema) ? long : bounded(schema, options))
  return ({ text, imports }) => {
    const registry: Record<string, Type> = {}
    const parse = (source: string) =>
      avsc.Type.forSchema(schemaOf(source), { registry, typeHook, omitRecordMethods: true })
    for (const { text: imported } of imports) parse(imported)
    return parse(text)
  }
}

function isLong(schema: Schema): boolean {
  return schema === 'long' || (typeof schema === 'object' && 'type' in schema && schema.type === 'long')
}

/** A schema is JSON; the bare name of a primitive type is one, too. */
function schemaOf(text: string): Schema {
  return /^\s*[a-z]+\s*$/.test(text) ? text.trim() : JSON.parse(text)
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
