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
  /** Only where a part of a key decides about its partition, as in the keys of windows: that part of the bytes. Default: all of them. */
  partitionedBy?(bytes: Uint8Array): Uint8Array
  serialize(value: T): Uint8Array
  deserialize(bytes: Uint8Array): T
  /**
   * Only where reading needs more than the bytes, such as a schema that a server has. Undefined when nothing is missing for these bytes; else
   * resolves when `deserialize` can read them, or tell what is wrong with them. What passes is tried again until the signal aborts; what
   * makes reading hopeless for every record rejects. The source of a topic calls it; a serde that has it cannot be that of a store.
   */
  prepare?(bytes: Uint8Array, signal: AbortSignal): Promise<void> | undefined
  /** Only where what is written depends on the topic: the serde for one part of its records. Called once, before anything is written. */
  forTopic?(part: TopicPart, signal: AbortSignal): Promise<Serde<T>>
}

/** Keys or values of a topic, by its name on the broker. */
export interface TopicPart {
  readonly topic: string
  readonly part: 'key' | 'value'
}

/** What a value that was read has to be. */
export type Shape<T> = ZodType<T>

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 text. Invalid UTF-8 is refused; a lone surrogate is written as U+FFFD, as the Encoding Standard has it. */
export const string: Serde<string> = {
  name: 'string',
  serialize: (value) => encoding('string', () => Buffer.from(value)),
  deserialize: (bytes) => decoding('string', () => utf8Decoder.decode(bytes)),
}

/** `string` for keys of a type that the compiler does not know: the default of options that name the serde of a key. */
export function textKeys<K>(): Serde<K> {
  return string as Serde<unknown> as Serde<K>
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
        return Buffer.from(text)
      }),
    deserialize: (data) =>
      shaped(
        decoding('json', () => JSON.parse(utf8Decoder.decode(data))),
        schema,
        'the JSON value',
      ),
  }
}

/** The value as its shape has it. Throws RECORD_UNDECODABLE with the first thing that does not fit; `what` names the value in it. */
export function shaped<T>(value: unknown, shape: Shape<T>, what: string): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path.join('.') || '(root)'
  throw new StreamError('RECORD_UNDECODABLE', `${what} does not fit its schema: ${path}: ${issue?.message}`)
}

/** The serde for a store: itself, or MessagePack of the same values when it needs a server to be read. */
export function storable<T>(serde: Serde<T>): Serde<T> {
  return serde.prepare ? msgpack<T>() : serde
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
    ...(serde.partitionedBy && { partitionedBy: serde.partitionedBy.bind(serde) }),
    serialize: (value) => {
      if (value !== null) return serde.serialize(value)
      throw new StreamError('RECORD_UNENCODABLE', `serde ${serde.name} cannot write null as bytes`)
    },
    deserialize: (data) => serde.deserialize(data),
    ...(serde.prepare && { prepare: serde.prepare.bind(serde) }),
    ...(serde.forTopic && {
      forTopic: async (part, signal) => nullable((await serde.forTopic?.(part, signal)) ?? serde),
    }),
  }
}

/** MessagePack of plain data: objects, arrays, strings, numbers, booleans, null, Uint8Array. `undefined` properties are dropped. */
export function msgpack<T>(): Serde<T> {
  // Kept, because each one comes with a buffer.
  const encoder = new Encoder({ ignoreUndefined: true })
  const decoder = new Decoder()
  return {
    name: 'msgpack',
    serialize: (value) => encoding('msgpack', () => Buffer.from(encoder.encodeSharedRef(value))),
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
