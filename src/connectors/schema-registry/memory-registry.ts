import { type Clock, systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import {
  type CompleteSchema,
  type OwnSchema,
  type RegisteredSchema,
  type SchemaReference,
  type SchemaRegistry,
  withImports,
} from './schemas.ts'

/**
 * A schema registry in memory, for tests of topologies. It takes every schema, compatible or not, and knows what was written with it:
 * give the serde of what a test pipes in the `schema` that it is to have.
 *
 * @example
 * const registry = memorySchemaRegistry()
 * const source = kafka({ topic: 'documents', key: string, value: avro(registry, Document, { schema }) })
 * await driver.pipe(source, { key: 'a', value: { title: 'A' } })
 */
export function memorySchemaRegistry({ clock = systemClock }: { readonly clock?: Clock } = {}): SchemaRegistry {
  return new MemorySchemaRegistry(clock)
}

class MemorySchemaRegistry implements SchemaRegistry {
  readonly address = 'memory'
  readonly clock: Clock
  /** The id is the place, counted from 1. */
  readonly #schemas: RegisteredSchema[] = []
  /** Ids of the versions of each subject. */
  readonly #subjects = new Map<string, readonly number[]>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  async schema(id: number): Promise<CompleteSchema> {
    return this.complete(this.#at(id, `schema ${id}`))
  }

  complete(schema: RegisteredSchema): Promise<CompleteSchema> {
    return withImports(schema, async ({ subject, version }: SchemaReference) => {
      const id = this.#subjects.get(subject)?.[version - 1]
      return this.#at(id, `version ${version} of subject "${subject}"`)
    })
  }

  async idOf({ type, text, references, subject, register }: OwnSchema): Promise<number> {
    const isSame = (other: RegisteredSchema) => other.type === type && other.text === text
    const versions = this.#subjects.get(subject) ?? []
    const known = this.#schemas.findIndex(isSame) + 1
    if (versions.includes(known)) return known
    if (!register) throw new StreamError('SCHEMA_REFUSED', `the subject "${subject}" has no such schema`)
    const id = known || this.#schemas.push({ type, text, references })
    this.#subjects.set(subject, [...versions, id])
    return id
  }

  #at(id: number | undefined, what: string): RegisteredSchema {
    const schema = id === undefined ? undefined : this.#schemas[id - 1]
    if (schema) return schema
    throw new StreamError('SCHEMA_REFUSED', `the schema registry in memory has no ${what}`)
  }
}
