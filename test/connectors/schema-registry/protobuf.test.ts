import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ProtobufOptions, protobuf, schemaRegistry } from '../../../src/connectors/index.ts'
import { framed } from '../../../src/connectors/schema-registry/framing.ts'
import { bytesOf, comparable, putVector, vectorsOf } from '../../support/registry-vectors.ts'
import { SchemaRegistryDouble } from '../../support/schema-registry-double.ts'

const { signal } = new AbortController()
const part = { topic: 'documents', part: 'value' } as const

let server: SchemaRegistryDouble
beforeEach(async () => {
  server = await SchemaRegistryDouble.start()
})
afterEach(() => server[Symbol.asyncDispose]())

const serdeWith = (options: ProtobufOptions = {}) => protobuf(schemaRegistry({ url: server.url }), z.unknown(), options)

async function read(bytes: Uint8Array, options: ProtobufOptions = {}): Promise<unknown> {
  const serde = serdeWith(options)
  await serde.prepare?.(bytes, signal)
  return serde.deserialize(bytes)
}

describe('messages of other clients', () => {
  test.each(vectorsOf('protobuf'))('%s is read', async (_, vector) => {
    putVector(server, vector)

    expect(comparable(await read(bytesOf(vector)))).toEqual(vector.value)
  })

  test.each(vectorsOf('protobuf'))('%s is written to the same bytes', async (_, vector) => {
    putVector(server, vector)
    const { schema, references, message, id } = vector
    server.put(id, { schema, references, schemaType: 'PROTOBUF' }, 'documents-value')
    const value = await read(bytesOf(vector))

    const serde = await serdeWith({ schema, references, ...(message !== undefined && { message }) }).forTopic?.(
      part,
      signal,
    )

    expect(Buffer.from(serde?.serialize(value) ?? []).toString('hex')).toBe(vector.bytes)
  })
})

describe('a message', () => {
  const file = (body: string) => `syntax = "proto3"; package mill; ${body}`
  const written = async (schema: string, value: unknown, options: ProtobufOptions = {}) =>
    (await serdeWith({ schema, ...options }).forTopic?.(part, signal))?.serialize(value) ?? new Uint8Array()

  test('has defaults for what was not written, and nothing for what may be absent', async () => {
    const schema = file(`message A {
      string text = 1; int64 size = 2; bool is = 3; repeated string list = 4; map<string, int32> map = 5; B inner = 6;
      optional string maybe = 7; oneof either { string left = 8; string right = 9; } E state = 10; bytes raw = 11;
    } message B {} enum E { NONE = 0; }`)

    expect(await read(await written(schema, {}))).toEqual({
      text: '',
      size: 0,
      is: false,
      list: [],
      map: {},
      inner: null,
      state: 'NONE',
      raw: Buffer.alloc(0),
    })
  })

  test('is the one that the path names, whatever else lies in the file or its package', async () => {
    server.put(1, { schema: file('message Zero { string other = 1; }'), schemaType: 'PROTOBUF' }, 'common')
    const references = [{ name: 'common.proto', subject: 'common', version: 1 }]
    const body =
      'enum E { X = 0; } message First {} message Second { enum F { Y = 0; } map<string, First> m = 1; message In { int32 a = 1; } }'
    const schema = `syntax = "proto3"; import "common.proto"; ${file(body).slice('syntax = "proto3"; '.length)}`

    const bytes = await written(schema, { a: 5 }, { references, message: 'mill.Second.In' })

    expect([...bytes.subarray(5)]).toEqual([4, 2, 0, 8, 5])
    expect(await read(bytes)).toEqual({ a: 5 })
  })

  test('is counted without the groups of proto2, which are fields', async () => {
    const schema = 'message A { optional group Old = 1 { optional int32 a = 2; } message In { optional int32 b = 1; } }'

    const bytes = await written(schema, { b: 5 }, { message: 'A.In' })

    expect([...bytes.subarray(5)]).toEqual([4, 0, 0, 8, 5])
    expect(await read(bytes)).toEqual({ b: 5 })
  })

  test('is read from a file with options of its own, and of Confluent', async () => {
    const schema = `syntax = "proto3"; package mill;
      import "confluent/meta.proto";
      import "google/protobuf/descriptor.proto";
      import public "google/protobuf/wrappers.proto";
      option java_package = "org.mill"; option (confluent.file_meta).doc = "a mill";
      extend google.protobuf.FieldOptions { string note = 50001; }
      message A {
        option (confluent.message_meta) = { tags: ["a"], params: [{ key: "x", value: "y" }] };
        reserved 4, 9 to 11; reserved "old";
        int32 first_one = 1 [(confluent.field_meta) = { tags: "PII" }, (note) = "n", json_name = "first"];
        google.protobuf.StringValue second = 2;
      }
      service S { rpc Grind (A) returns (stream A) {} }`

    const value = { first_one: 5, second: { value: 'a' } }

    expect(await read(await written(schema, value))).toEqual(value)
  })

  test('has integers that are exact, or none', async () => {
    const schema = file('message A { int64 a = 1; uint64 b = 2; }')
    const bytes = await written(schema, { a: -(2n ** 63n), b: 2n ** 64n - 1n })

    expect(await read(bytes, { longs: 'bigint' })).toEqual({ a: -(2n ** 63n), b: 2n ** 64n - 1n })
    await expect(read(bytes)).rejects.toThrow(/the integer -9223372036854775808 is beyond 2\^53/)
    expect(await read(await written(schema, { a: -5, b: 2 ** 53 - 1 }))).toEqual({ a: -5, b: 2 ** 53 - 1 })
  })

  test.each([
    [{ tex: 'a' }, 'tex is no field of mill.A'],
    [{ text: 5 }, 'text is no string'],
    [{ size: '7' }, 'size is no int32'],
    [{ size: 2 ** 31 }, 'size is no int32'],
    [{ natural: -1 }, 'natural is no uint64'],
    [{ natural: 2 ** 60 }, 'natural is no uint64'],
    [{ list: 'a' }, 'list is no list'],
    [{ list: ['a', null] }, 'list.1 is no string'],
    [{ map: [] }, 'map is no map'],
    [{ map: { x: 'y' } }, 'map.x is no int32'],
    [{ inner: 'b' }, 'inner is no B'],
    [{ inner: { b: true } }, 'inner.b is no double'],
    [{ state: 'OTHER' }, 'state is no E'],
    [{ raw: 'text' }, 'raw is no bytes'],
    ['text', 'the value is no A'],
  ])('is refused with what does not fit: %j', async (value, problem) => {
    const schema = file(`message A { string text = 1; int32 size = 2; uint64 natural = 3; repeated string list = 4;
      map<string, int32> map = 5; B inner = 6; E state = 7; bytes raw = 8; } message B { double b = 1; } enum E { NONE = 0; }`)

    await expect(written(schema, value)).rejects.toThrow(
      `RECORD_UNENCODABLE: the value does not fit its Protobuf schema: ${problem}.`,
    )
  })

  test.each([
    ['at a place that the file does not have', [2, 8], /no message at 4/],
    ['that ends early', [0, 10, 5, 97], /does not fit schema 1/],
  ])('%s makes a dead letter', async (_, payload, said) => {
    server.put(1, { schema: file('message A { string text = 1; }'), schemaType: 'PROTOBUF' })

    await expect(read(framed(1, Uint8Array.of(...payload)))).rejects.toThrow(said)
  })

  test.each([
    ['an import that nobody knows', 'import "gone.proto"; message A {}', /it imports gone.proto/],
    ['a type that is missing', 'message A { Gone gone = 1; }', /no such Type or Enum 'Gone'/],
  ])('with %s cannot be read', async (_, body, said) => {
    server.put(1, { schema: file(body), schemaType: 'PROTOBUF' })

    await expect(read(framed(1, Uint8Array.of(0)))).rejects.toThrow(said)
  })
})
