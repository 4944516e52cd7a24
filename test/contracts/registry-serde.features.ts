import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type RegistrySerdeOptions, type SchemaRegistry, schemaRegistry } from '../../src/connectors/index.ts'
import { framed } from '../../src/connectors/schema-registry/framing.ts'
import type { Serde, Shape } from '../../src/serde.ts'
import { FastClock } from '../support/fast-clock.ts'
import { SchemaRegistryDouble } from '../support/schema-registry-double.ts'

export interface RegistrySerdeTarget {
  readonly schemaType: 'AVRO' | 'JSON' | 'PROTOBUF'
  readonly create: <T>(registry: SchemaRegistry, shape: Shape<T>, options?: RegistrySerdeOptions) => Serde<T>
  /** A schema of `{ title: text, size: integer }` with the name `mill.Document`. */
  readonly schema: string
  /** The same schema, in other characters. */
  readonly sameSchema: string
  /** Text that is no schema. */
  readonly noSchema: string
  /** How a value is called that cannot be written. */
  readonly unfit: object
}

const Document = z.object({ title: z.string(), size: z.number() })
const document = { title: 'Mühle', size: 3 }
const part = { topic: 'documents', part: 'value' } as const

/** What every serde with a schema registry promises. */
export function registrySerdeFeatures(name: string, target: RegistrySerdeTarget): void {
  describe(name, () => {
    const { schema, schemaType } = target
    let server: SchemaRegistryDouble
    let ending: AbortController
    beforeEach(async () => {
      server = await SchemaRegistryDouble.start()
      ending = new AbortController()
    })
    afterEach(() => {
      ending.abort()
      return server[Symbol.asyncDispose]()
    })

    const registry = () => schemaRegistry({ url: server.url, clock: new FastClock(100), requestTimeoutMs: 600_000 })
    const serde = (options?: RegistrySerdeOptions) => target.create(registry(), Document, options)
    const writer = async (
      options: RegistrySerdeOptions = {},
      to: typeof part | { topic: string; part: 'key' } = part,
    ) => (await serde({ schema, ...options }).forTopic?.(to, ending.signal)) ?? serde()
    async function read<T>(bytes: Uint8Array, reader: Serde<T>): Promise<T> {
      await reader.prepare?.(bytes, ending.signal)
      return reader.deserialize(bytes)
    }

    describe('reading', () => {
      test('gives back what was written, with the schema that the registry has', async () => {
        const bytes = (await writer()).serialize(document)

        expect(await read(bytes, serde())).toEqual(document)
      })

      test('is synchronous once the schema is there', async () => {
        const bytes = (await writer()).serialize(document)
        const reader = serde()
        await read(bytes, reader)

        expect(reader.prepare?.(bytes, ending.signal)).toBeUndefined()
        expect(reader.deserialize(bytes)).toEqual(document)
      })

      test('checks the value against its shape', async () => {
        const bytes = (await writer()).serialize(document)
        const reader = target.create(registry(), z.object({ title: z.number() }))

        await expect(read(bytes, reader)).rejects.toThrow(
          /^RECORD_UNDECODABLE: the .+ value does not fit its schema: title: /,
        )
      })

      test('waits for a registry that is away', async () => {
        const bytes = (await writer()).serialize(document)
        server.faults.push({ status: 503, body: '' }, 'reset')

        expect(await read(bytes, serde())).toEqual(document)
      })

      test('tells an id that does not exist, and a schema of another kind', async () => {
        server.put(8, { schema: '{}', schemaType: schemaType === 'JSON' ? 'PROTOBUF' : 'JSON' })
        const reader = serde()

        await expect(read(framed(7, new Uint8Array()), reader)).rejects.toThrow(/RECORD_UNDECODABLE: schema 7 .+40403/)
        await expect(read(framed(8, new Uint8Array()), reader)).rejects.toThrow(`and the serde reads ${schemaType}`)
      })

      test('tells bytes that do not fit their schema, and a schema that is none', async () => {
        server.put(7, { schema, schemaType })
        server.put(8, { schema: target.noSchema, schemaType })

        for (const id of [7, 8]) {
          await expect(read(framed(id, Uint8Array.of(0xff, 0xff, 0xff)), serde())).rejects.toMatchObject({
            code: 'RECORD_UNDECODABLE',
            reaction: 'skip',
          })
        }
      })

      test.each([
        ['a schema that is none', { schema: target.noSchema }, 'CONFIG_INVALID'],
        [
          'a schema that refers to nothing',
          { schema, references: [{ name: 'gone', subject: 'gone', version: 1 }] },
          'SCHEMA_REFUSED',
        ],
      ])('rejects where the serde was given %s: no record is at fault', async (_, options, code) => {
        server.put(7, { schema, schemaType })

        await expect(read(framed(7, new Uint8Array()), serde(options))).rejects.toMatchObject({ code, exitCode: 78 })
      })

      test('rejects where the registry refuses access', async () => {
        server.always = { status: 401, body: { error_code: 401, message: 'Unauthorized' } }

        await expect(read(framed(7, new Uint8Array()), serde())).rejects.toMatchObject({ code: 'REGISTRY_DENIED' })
      })

      test('ends with its signal', async () => {
        server.always = 'hang'
        const reading = read(framed(7, new Uint8Array()), serde())

        ending.abort(new Error('closed'))

        await expect(reading).rejects.toThrow('closed')
      })
    })

    describe('writing', () => {
      test('registers the schema once, and frames with its id', async () => {
        server.put(300, { schema: '"string"' })

        const bytes = [(await writer()).serialize(document), (await writer()).serialize(document)]

        expect([...(bytes[0]?.subarray(0, 5) ?? [])]).toEqual([0, 0, 0, 1, 45])
        expect(bytes[1]).toEqual(bytes[0])
        expect(server.requests[0]?.body).toEqual({
          schema,
          ...(schemaType !== 'AVRO' && { schemaType }),
          references: [],
        })
      })

      test.each([
        ['topic', part, 'documents-value'],
        ['topic', { topic: 'documents', part: 'key' }, 'documents-key'],
        ['record', part, 'mill.Document'],
        ['topic-record', part, 'documents-mill.Document'],
      ] as const)('names the subject by %s', async (subject, to, expected) => {
        await writer({ subject }, to)

        expect(server.lines).toEqual([`POST /subjects/${expected}/versions`])
        expect(server.latest(expected)).toBe(1)
      })

      test('looks the schema up when it is not to be registered', async () => {
        server.put(40, { schema, schemaType }, 'documents-value')

        const bytes = (await writer({ register: false })).serialize(document)

        expect(bytes[4]).toBe(40)
        expect(server.lines).toEqual(['POST /subjects/documents-value'])
      })

      test('can ask the registry to compare by meaning', async () => {
        await writer({ normalize: true })

        expect(server.lines).toEqual(['POST /subjects/documents-value/versions?normalize=true'])
      })

      test.each([
        ['the subject is not there', () => undefined, { register: false }, '40401'],
        [
          'another schema is there',
          () => server.put(1, { schema: target.sameSchema, schemaType }, 'documents-value'),
          { register: false },
          '40403',
        ],
        ['it is not compatible', () => server.refuse(schema), {}, '409: Schema being registered'],
        [
          'the registry takes it for none',
          () => server.faults.push({ status: 422, body: { error_code: 42201, message: 'Invalid schema' } }),
          {},
          '42201: Invalid schema',
        ],
      ])('ends the start when %s', async (_, prepare, options, said) => {
        prepare()

        const opening = writer(options)

        await expect(opening).rejects.toMatchObject({ code: 'SCHEMA_REFUSED', exitCode: 78 })
        await expect(opening).rejects.toThrow(said)
      })

      test('waits for a registry that is away', async () => {
        server.faults.push('reset', { status: 500, body: { error_code: 50003, message: 'Error forwarding' } })

        expect((await writer()).serialize(document)[4]).toBe(1)
      })

      test('is refused without a schema, and with one that is none', async () => {
        await expect(serde().forTopic?.(part, ending.signal)).rejects.toThrow(
          /CONFIG_INVALID: topic "documents" is written with .+, which has no schema/,
        )
        await expect(writer({ schema: target.noSchema })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
        expect(server.lines).toEqual([])
      })

      test('tells a value that does not fit, and goes on', async () => {
        const writes = await writer()

        for (const unfit of [target.unfit, { title: 5, size: 1 }, undefined]) {
          expect(() => writes.serialize(unfit as typeof document)).toThrow(
            /^RECORD_UNENCODABLE: the value does not fit its/,
          )
        }
        expect(() => writes.serialize(document)).not.toThrow()
      })

      test('is for topics alone', () => {
        expect(() => serde({ schema }).serialize(document)).toThrow('writes to topics alone')
      })
    })
  })
}
