import { Decoder, Encoder } from '@msgpack/msgpack'
import type { ZodType } from 'zod'
import { reasonOf, StreamError } from './errors.ts'

/**
 * Turns values into bytes and back. Null never reaches a serde: a null value is a tombstone and stays null.
 *
 * `deserialize` throws StreamError `RECORD_UNDECODABLE`, `serialize` throws `RECORD_UNENCODABLE`; both carry the reason.
 */
export interface Serde<T> {
  /** Shown by `describe` and in errors: `json`, `string` ... */
  readonly name: string
  /** As the key of a topic: records without a key pass, with key null. Else they are dropped and counted. */
  readonly nullable?: true
  serialize(value: T): Uint8Array
  deserialize(bytes: Uint8Array): T
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 text. Invalid UTF-8 is refused; a lone surrogate is written as U+FFFD, as the Encoding Standard has it. */
export const string: Serde<string> = {
  name: 'string',
  serialize: (value) => encoding('string', () => utf8Encoder.encode(value)),
  deserialize: (bytes) => decoding('string', () => utf8Decoder.decode(bytes)),
}

/** Bytes as they are. */
export const bytes: Serde<Uint8Array> = {
  name: 'bytes',
  serialize: (value) => value,
  deserialize: (value) => value,
}

/**
 * JSON, checked against a zod schema when it is read. Unknown keys follow the schema's own rule (zod drops them by default).
 *
 * @example
 * const Document = z.object({ title: z.string(), body: z.string() })
 * kafka({ topic: 'documents', key: string, value: json(Document) })
 */
export function json<T>(schema: ZodType<T>): Serde<T> {
  return {
    name: 'json',
    serialize: (value) =>
      encoding('json', () => {
        const text = JSON.stringify(value)
        if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`)
        return utf8Encoder.encode(text)
      }),
    deserialize: (data) => {
      const parsed: unknown = decoding('json', () => JSON.parse(utf8Decoder.decode(data)))
      const result = schema.safeParse(parsed)
      if (result.success) return result.data
      const issue = result.error.issues[0]
      const path = issue?.path.join('.') || '(root)'
      throw new StreamError('RECORD_UNDECODABLE', `the JSON value does not fit its schema: ${path}: ${issue?.message}`)
    },
  }
}

/**
 * As the key of a topic: records without a key are read too, with key null. Steps that need a key drop and count them.
 *
 * @example
 * builder.stream('views', kafka({ topic: 'views', key: nullable(string), value: json(View) }))
 */
export function nullable<T>(serde: Serde<T>): Serde<T | null> {
  return {
    name: serde.name,
    nullable: true,
    serialize: (value) => {
      if (value !== null) return serde.serialize(value)
      throw new StreamError('RECORD_UNENCODABLE', `serde ${serde.name} cannot write null as bytes`)
    },
    deserialize: (data) => serde.deserialize(data),
  }
}

/** MessagePack of plain data: objects, arrays, strings, numbers, booleans, null, Uint8Array. `undefined` properties are dropped. */
export function msgpack<T>(): Serde<T> {
  // Kept, because each one comes with a buffer.
  const encoder = new Encoder({ ignoreUndefined: true })
  const decoder = new Decoder()
  return {
    name: 'msgpack',
    serialize: (value) => encoding('msgpack', () => encoder.encode(value)),
    deserialize: (data) => decoding('msgpack', () => decoder.decode(data) as T),
  }
}

function encoding<T>(serde: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw new StreamError('RECORD_UNENCODABLE', `serde ${serde} cannot write the value: ${reasonOf(cause)}`, { cause })
  }
}

function decoding<T>(serde: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw new StreamError('RECORD_UNDECODABLE', `serde ${serde} cannot read the bytes: ${reasonOf(cause)}`, { cause })
  }
}
