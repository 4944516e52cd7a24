import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type AvroOptions, avro, schemaRegistry } from '../../../src/connectors/index.ts'
import { framed } from '../../../src/connectors/schema-registry/framing.ts'
import { bytesOf, comparable, putVector, type RegistryVector, vectorsOf } from '../../support/registry-vectors.ts'
import { SchemaRegistryDouble } from '../../support/schema-registry-double.ts'

const { signal } = new AbortController()
const any = z.unknown()
const part = { topic: 'documents', part: 'value' } as const

let server: SchemaRegistryDouble
beforeEach(async () => {
  server = await SchemaRegistryDouble.start()
})
afterEach(() => server[Symbol.asyncDispose]())

const serdeWith = (options: AvroOptions = {}) => avro(schemaRegistry({ url: server.url }), any, options)

async function readVector(vector: RegistryVector): Promise<unknown> {
  putVector(server, vector)
  const serde = serdeWith({ longs: vector.longs ?? 'number' })
  await serde.prepare?.(bytesOf(vector), signal)
  return serde.deserialize(bytesOf(vector))
}

/** What a serde makes of a payload with a schema. */
async function read(schema: unknown, payload: string, options: AvroOptions = {}): Promise<unknown> {
  server.put(1, { schema: JSON.stringify(schema) })
  const serde = serdeWith(options)
  const bytes = framed(1, Buffer.from(payload.replaceAll(' ', ''), 'hex'))
  await serde.prepare?.(bytes, signal)
  return serde.deserialize(bytes)
}

describe('values of other clients', () => {
  test.each(vectorsOf('avro'))('%s is read', async (_, vector) => {
    expect(comparable(await readVector(vector))).toEqual(vector.value)
  })

  test.each(vectorsOf('avro'))('%s is written to the same bytes', async (_, vector) => {
    const value = await readVector(vector)
    const { id, schema, references, longs = 'number' } = vector
    server.put(id, { schema, references }, 'documents-value')

    const writer = await serdeWith({ schema, references, longs }).forTopic?.(part, signal)

    expect(Buffer.from(writer?.serialize(value) ?? []).toString('hex')).toBe(vector.bytes)
  })
})

describe('examples of the Avro specification', () => {
  const record = {
    type: 'record',
    name: 'test',
    fields: [
      { name: 'a', type: 'long' },
      { name: 'b', type: 'string' },
    ],
  }

  test.each([
    ['a record', record, '36 06 66 6f 6f', { a: 27, b: 'foo' }],
    ['an array', { type: 'array', items: 'long' }, '04 06 36 00', [3, 27]],
    ['an array with the size of its block', { type: 'array', items: 'long' }, '03 04 06 36 00', [3, 27]],
    ['the first of a union', ['null', 'string'], '00', null],
    ['the second of a union', ['null', 'string'], '02 02 61', 'a'],
    ['a map', { type: 'map', values: 'long' }, '02 02 61 06 00', { a: 3 }],
  ])('%s', async (_, schema, payload, value) => {
    expect(await read(schema, payload)).toEqual(value)
  })

  test('bytes alone are the payload itself, as the Java serializer writes them', async () => {
    expect(await read('bytes', '01 02 03')).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe('a record that cannot be read', () => {
  const strings = { type: 'array', items: 'string' }
  const text = (schema: unknown, payload: string) => read(schema, payload).catch((error: Error) => error.message)

  test.each([
    ['ends early', 'string', '06 66', /does not fit schema 1/],
    ['goes on', 'string', '02 66 00', /does not fit schema 1/],
    ['has a long that a number cannot hold', 'long', '80 80 80 80 80 80 80 80 01', /does not fit schema 1/],
    ['claims 2^31 texts', strings, '80 80 80 80 20', /4294967296 items follow, and there are 0 bytes/],
    ['claims 2^31 nulls', { type: 'array', items: 'null' }, '80 80 80 80 20 00', /items follow/],
    ['claims 2^31 entries', { type: 'map', values: 'int' }, '80 80 80 80 20', /items follow/],
  ])('%s', async (_, schema, payload, message) => {
    const said = await text(schema, payload)

    expect(said).toMatch(/^RECORD_UNDECODABLE: /)
    expect(said).toMatch(message)
  })

  test('claims items in a field that is passed over', async () => {
    const fields = [{ name: 'a', type: strings }]
    const own = { type: 'record', name: 'R', fields: [{ name: 'b', type: 'int', default: 1 }] }

    const reading = read({ type: 'record', name: 'R', fields }, '80 80 80 80 20', { schema: JSON.stringify(own) })

    await expect(reading).rejects.toThrow(/items follow/)
  })

  test('an entry named __proto__ stays an entry', async () => {
    const value = await read({ type: 'map', values: 'int' }, '02 12 5f5f70726f746f5f5f 02 00')

    expect(Object.entries(Object(value))).toEqual([['__proto__', 1]])
  })
})

describe('a union', () => {
  const named = (name: string) => ({ type: 'record', name, fields: [{ name: 'a', type: 'int' }] })

  test.each([
    ['nothing or a long', ['null', 'long'], 5],
    ['a long or a text', ['long', 'string'], 5],
    ['a text or a long', ['long', 'string'], 'five'],
    ['nothing or a record', ['null', named('A')], { a: 1 }],
    ['one of two records', [named('A'), named('B')], { B: { a: 1 } }],
    ['a double or a long', ['double', 'long'], 0.5],
    ['nothing or a list', ['null', { type: 'array', items: 'long' }], [1]],
  ])('of %s comes back as it was written', async (_, schema, value) => {
    const writer = await serdeWith({ schema: JSON.stringify(schema) }).forTopic?.(part, signal)
    const bytes = writer?.serialize(value) ?? new Uint8Array()

    await writer?.prepare?.(bytes, signal)

    expect(writer?.deserialize(bytes)).toEqual(value)
  })

  test('of two kinds of numbers is read, and written where one member alone can hold the number', async () => {
    const schema = ['double', 'long']
    const writer = await serdeWith({ schema: JSON.stringify(schema) }).forTopic?.(part, signal)

    expect(await read(schema, '02 0a')).toBe(5)
    expect(() => writer?.serialize(5)).toThrow('ambiguous')
    expect(() => writer?.serialize(0.5)).not.toThrow()
  })
})

test('a value is resolved to the schema of the reader, whose defaults fill in', async () => {
  const fields = [
    { name: 'a', type: 'int' },
    { name: 'gone', type: 'string' },
  ]
  const own = {
    type: 'record',
    name: 'R',
    fields: [
      { name: 'a', type: 'long' },
      { name: 'b', type: 'string', default: 'x' },
    ],
  }

  const value = await read({ type: 'record', name: 'R', fields }, '06 02 61', { schema: JSON.stringify(own) })

  expect(value).toEqual({ a: 3, b: 'x' })
})
