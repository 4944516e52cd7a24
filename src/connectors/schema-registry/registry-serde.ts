import { factOf, isStreamError, reasonOf, StreamError } from '../../errors.ts'
import { LruMap } from '../../lru-map.ts'
import { type Serde, type Shape, shaped, type TopicPart } from '../../serde.ts'
import { framed, frameOf, schemaIdOf } from './framing.ts'
import type { CompleteSchema, RegisteredSchema, SchemaReference, SchemaRegistry, SchemaType } from './schemas.ts'
import { SharedRequests } from './shared-requests.ts'
import { type SubjectNaming, subjectOf } from './subjects.ts'

/** What every serde with a schema registry may be told. */
export interface RegistrySerdeOptions {
  /** Text of the schema that is written. Without it the serde only reads. */
  readonly schema?: string
  /** Schemas of the registry that it uses. */
  readonly references?: readonly SchemaReference[]
  /** Default `topic`. */
  readonly subject?: SubjectNaming
  /** True registers the schema when a topic is opened for writing, as Java producers do; false looks it up. Default true. */
  readonly register?: boolean
  /** Lets the registry compare schemas by what they mean: white space and order of properties do not count. Default false. */
  readonly normalize?: boolean
}

/** What Avro, JSON Schema and Protobuf differ in. What does not fit is thrown, whatever the error. */
export interface Format {
  readonly type: SchemaType
  /** Of the serde. */
  readonly name: string
  /** `own` is the schema of the application, which values may be resolved to. */
  reader(schema: CompleteSchema, own: CompleteSchema | undefined): Promise<Read>
  writer(schema: CompleteSchema): Promise<Writer>
}

export type Read = (payload: Uint8Array) => unknown

export interface Writer {
  /** Full name of what is written, where it has one. */
  readonly recordName: string | undefined
  readonly write: (value: unknown) => Uint8Array
}

/** What is known of an id. */
type Reader =
  | { readonly kind: 'ready'; readonly read: Read }
  | { readonly kind: 'refused'; readonly fact: string; readonly cause: unknown; readonly until: number }

/** The schema that a serde was given. */
interface Own {
  readonly schema: CompleteSchema
  readonly writer: Writer
}

/** Compiled schemas of a serde, by the bytes of their texts. */
const maxCompiledBytes = 16 * 1024 * 1024
const longestSchema = 1024 * 1024

/** What weighs nothing but its sentence. */
const refusedBytes = 1_000
/** Then the registry is asked again about a schema that it did not have. */
const refusedForMs = 60_000

/**
 * A serde whose values are framed with the id of a schema. Its own schema is compiled once, others when they are met first, and again when
 * they had to make room; from then on reading is synchronous.
 */
export class RegistrySerde<T> implements Serde<T> {
  readonly name: string
  readonly #registry: SchemaRegistry
  readonly #format: Format
  readonly #shape: Shape<T>
  readonly #options: RegistrySerdeOptions
  readonly #readers = new LruMap<number, Reader>({ maxBytes: maxCompiledBytes })
  readonly #loads = new SharedRequests<number, void>()
  readonly #openings = new SharedRequests<'own', Own>()
  #own: Own | undefined

  constructor(registry: SchemaRegistry, format: Format, shape: Shape<T>, options: RegistrySerdeOptions) {
    this.name = format.name
    this.#registry = registry
    this.#format = format
    this.#shape = shape
    this.#options = options
  }

  prepare(bytes: Uint8Array, signal: AbortSignal): Promise<void> | undefined {
    const id = schemaIdOf(bytes)
    // What is not framed is told by `deserialize`.
    if (id === undefined || this.#isKnown(id)) return undefined
    return this.#loads.join(id, signal, (ended) => this.#load(id, ended))
  }

  deserialize(bytes: Uint8Array): T {
    const { id, payload } = frameOf(bytes)
    const reader = this.#readers.peek(id)
    if (!reader) {
      throw new StreamError('RECORD_UNDECODABLE', `schema ${id} was not asked for`, {
        fix: `Use the serde ${this.name} for topics, not inside of other serdes.`,
      })
    }
    if (reader.kind === 'refused') throw new StreamError('RECORD_UNDECODABLE', reader.fact, { cause: reader.cause })
    return shaped(valueIn(payload, id, reader.read), this.#shape, `the ${this.name} value`)
  }

  serialize(): never {
    throw new StreamError('RECORD_UNENCODABLE', `serde ${this.name} writes to topics alone`, {
      fix: 'Give a store or an inner serde msgpack().',
    })
  }

  async forTopic(part: TopicPart, signal: AbortSignal): Promise<Serde<T>> {
    const { subject = 'topic', register = true, normalize = false } = this.#options
    const schema = this.#ownSchema()
    const own = await this.#open(signal)
    if (!schema || !own) {
      const fact = `topic "${part.topic}" is written with ${this.name}, which has no schema`
      throw new StreamError('CONFIG_INVALID', fact, { fix: 'Give the serde the `schema` that it is to write.' })
    }
    const { recordName, write } = own.writer
    const name = subjectOf(subject, part, recordName)
    const id = await this.#registry.idOf({ ...schema, subject: name, register, normalize }, signal)
    return {
      name: this.name,
      prepare: this.prepare.bind(this),
      deserialize: this.deserialize.bind(this),
      forTopic: this.forTopic.bind(this),
      serialize: (value) => framed(id, this.#written(value, write)),
    }
  }

  #ownSchema(): RegisteredSchema | undefined {
    const { schema: text, references = [] } = this.#options
    return text === undefined ? undefined : { type: this.#format.type, text, references }
  }

  /** The schema of the serde; undefined when it has none. */
  async #open(signal: AbortSignal): Promise<Own | undefined> {
    const registered = this.#ownSchema()
    if (!registered) return undefined
    this.#own ??= await this.#openings.join('own', signal, (ended) => this.#compiled(registered, ended))
    return this.#own
  }

  /** What is wrong with it is wrong for every record. */
  async #compiled(registered: RegisteredSchema, signal: AbortSignal): Promise<Own> {
    const schema = await this.#registry.complete(registered, signal)
    try {
      return { schema, writer: await this.#format.writer(schema) }
    } catch (cause) {
      const fact = `the schema of the serde ${this.name} cannot be used: ${reasonOf(cause)}`
      throw new StreamError('CONFIG_INVALID', fact, { cause })
    }
  }

  #isKnown(id: number): boolean {
    const reader = this.#readers.get(id)
    return reader?.kind === 'ready' || (reader !== undefined && this.#registry.clock.now() < reader.until)
  }

  async #load(id: number, signal: AbortSignal): Promise<void> {
    const own = await this.#open(signal)
    try {
      const schema = await this.#registry.schema(id, signal)
      this.#readers.set(id, { kind: 'ready', read: await this.#reader(schema, own?.schema) }, sizeOf(schema))
    } catch (cause) {
      if (isStreamError(cause) && cause.reaction !== 'skip' && cause.code !== 'SCHEMA_REFUSED') throw cause
      signal.throwIfAborted()
      const fact = `schema ${id} cannot be used: ${factOf(cause)}`
      const until = this.#registry.clock.now() + refusedForMs
      this.#readers.set(id, { kind: 'refused', fact, cause, until }, refusedBytes)
    }
  }

  #reader(schema: CompleteSchema, own: CompleteSchema | undefined): Promise<Read> {
    const { type } = this.#format
    const size = sizeOf(schema)
    if (schema.type !== type) throw new TypeError(`it is ${schema.type}, and the serde reads ${type}`)
    if (size > longestSchema) throw new RangeError(`it has ${size} characters, more than ${longestSchema}`)
    return this.#format.reader(schema, own)
  }

  #written(value: T, write: Writer['write']): Uint8Array {
    try {
      return write(value)
    } catch (cause) {
      const fact = `the value does not fit its ${this.name} schema: ${reasonOf(cause)}`
      throw new StreamError('RECORD_UNENCODABLE', fact, { cause })
    }
  }
}

function valueIn(payload: Uint8Array, id: number, read: Read): unknown {
  try {
    return read(payload)
  } catch (cause) {
    throw new StreamError('RECORD_UNDECODABLE', `the value does not fit schema ${id}: ${reasonOf(cause)}`, { cause })
  }
}

function sizeOf({ text, imports }: CompleteSchema): number {
  return text.length + imports.reduce((sum, imported) => sum + imported.text.length, 0)
}
