import type { Serde, Shape } from '../../serde.ts'
import { messageIn, withPath } from './message-indexes.ts'
import { type MessageFile, messageFile } from './protobuf-file.ts'
import { problemOf, withNumbers } from './protobuf-values.ts'
import { type Format, type Read, RegistrySerde, type RegistrySerdeOptions, type Writer } from './registry-serde.ts'
import type { CompleteSchema, SchemaRegistry } from './schemas.ts'

export interface ProtobufOptions extends RegistrySerdeOptions {
  /** Full name of the message that is written: `mill.Document`. Default: the first one of `schema`. */
  readonly message?: string
  /** What 64-bit integers become. With `number` one beyond 2^53 is RECORD_UNDECODABLE: nothing is rounded. Default `number`. */
  readonly longs?: 'number' | 'bigint'
}

/**
 * Messages of Protobuf behind the id of their file and their place in it, as Confluent's KafkaProtobufSerializer writes them. Which message
 * of the file is read says the value.
 *
 * Messages become objects with the names of the .proto file, enums texts, bytes Uint8Arrays, a Timestamp `{ seconds, nanos }`. What was
 * not written is its default (0, '', [], {}; null for a message), but is absent in a oneof and where it is `optional`. Writing takes
 * the same, refuses unknown fields and wrong types, and takes null for absent.
 *
 * Reading throws RECORD_UNDECODABLE, also for a schema that the registry does not have. While the registry is down the topic waits.
 *
 * @example
 * const registry = schemaRegistry({ url: 'http://127.0.0.1:8081' })
 * const Document = z.object({ title: z.string(), body: z.string() })
 * builder.stream('documents', kafka({ topic: 'documents', key: string, value: protobuf(registry, Document) }))
 */
export function protobuf<T>(registry: SchemaRegistry, shape: Shape<T>, options: ProtobufOptions = {}): Serde<T> {
  const { longs = 'number', message } = options
  const format: Format = {
    type: 'PROTOBUF',
    name: 'Protobuf',
    reader: async (schema) => readerOf(await messageFile(schema), longs),
    writer: (schema) => writerOf(schema, message),
  }
  return new RegistrySerde(registry, format, shape, options)
}

function readerOf(file: MessageFile, longs: 'number' | 'bigint'): Read {
  return (payload) => {
    const { path, message } = messageIn(payload)
    const type = file.typeAt(path)
    const value = type.toObject(type.decode(message), {
      longs: BigInt,
      enums: String,
      defaults: true,
      arrays: true,
      objects: true,
    })
    return longs === 'bigint' ? value : withNumbers(value)
  }
}

async function writerOf(schema: CompleteSchema, message: string | undefined): Promise<Writer> {
  const file = await messageFile(schema)
  const path = message === undefined ? [0] : file.pathOf(message)
  const type = file.typeAt(path)
  const write = (value: unknown) => {
    const problem = problemOf(type, value)
    if (problem !== undefined) throw new TypeError(problem)
    return withPath(path, type.encode(type.fromObject(Object(value))).finish())
  }
  return { recordName: type.fullName.slice(1), write }
}
