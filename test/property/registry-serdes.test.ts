import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { avro, jsonSchema, protobuf, schemaRegistry } from '../../src/connectors/index.ts'
import { framed } from '../../src/connectors/schema-registry/framing.ts'
import { isStreamError } from '../../src/errors.ts'
import type { Serde } from '../../src/serde.ts'
import { SchemaRegistryDouble } from '../support/schema-registry-double.ts'

const { signal } = new AbortController()
const any = z.unknown()

const fields = [
  { name: 'title', type: 'string' },
  { name: 'size', type: 'long' },
  { name: 'score', type: 'double' },
  { name: 'subtitle', type: ['null', 'string'] },
  { name: 'tags', type: { type: 'array', items: 'string' } },
  { name: 'counts', type: { type: 'map', values: 'int' } },
  { name: 'digest', type: 'bytes' },
  { name: 'part', type: ['null', 'Document'] },
]
const avroSchema = JSON.stringify({ type: 'record', name: 'Document', fields })
const protobufSchema = `syntax = "proto3"; message Document { string title = 1; int64 size = 2; double score = 3;
  optional string subtitle = 4; repeated string tags = 5; map<string, int32> counts = 6; bytes digest = 7; Document part = 8; }`

const text = fc.string({ unit: 'grapheme' })
const whole = fc.maxSafeInteger()
const values = {
  title: text,
  size: whole,
  score: fc.double({ noNaN: true }),
  tags: fc.array(text, { maxLength: 3 }),
  counts: fc.dictionary(text, fc.integer(), { maxKeys: 3 }),
  digest: fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
}
const bare = { title: '', size: 0, score: 0, tags: [], counts: {}, digest: Buffer.alloc(0) }
const avroValues = fc.record({
  ...values,
  subtitle: fc.option(text),
  part: fc.option(fc.constant({ ...bare, subtitle: null, part: null })),
})
const protobufValues = fc.record(
  { ...values, subtitle: text, part: fc.option(fc.constant({ ...bare, part: null })) },
  { requiredKeys: ['title', 'size', 'score', 'tags', 'counts', 'digest', 'part'] },
)

let server: SchemaRegistryDouble
beforeAll(async () => {
  server = await SchemaRegistryDouble.start()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A serde that writes, with its schema at hand. */
async function opened(serde: Serde<unknown>, topic: string, value: unknown): Promise<Serde<unknown>> {
  const writer = (await serde.forTopic?.({ topic, part: 'value' }, signal)) ?? serde
  await writer.prepare?.(writer.serialize(value), signal)
  return writer
}

const kinds = [
  ['Avro', avroValues, { ...bare, subtitle: null, part: null }, () => avro(registry(), any, { schema: avroSchema })],
  ['JSON Schema', fc.jsonValue(), {}, () => jsonSchema(registry(), any, { schema: '{}' })],
  ['Protobuf', protobufValues, bare, () => protobuf(registry(), any, { schema: protobufSchema })],
] as const
const registry = () => schemaRegistry({ url: server.url })

describe.each(kinds)('%s', (name, arbitrary: fc.Arbitrary<unknown>, first, create) => {
  test('gives back every value that it writes', async () => {
    const serde = await opened(create(), name, first)

    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(plain(serde.deserialize(serde.serialize(value)))).toEqual(plain(value))
      }),
    )
  })

  test('gives a value or says that there is none, whatever the bytes are', async () => {
    const serde = await opened(create(), name, first)
    const id = Buffer.from(serde.serialize(first)).readUInt32BE(1)
    const damaged = fc.tuple(arbitrary, fc.nat(60), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = Uint8Array.from(serde.serialize(value).subarray(5))
      bytes[at % bytes.length] = byte
      return bytes
    })

    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), damaged), (payload) => {
        try {
          serde.deserialize(framed(id, payload))
        } catch (error) {
          expect(isStreamError(error) && error.code).toBe('RECORD_UNDECODABLE')
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** Without classes, and with one kind of bytes; -0 is 0 in JSON. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
  }
  return value === 0 ? 0 : value
}
