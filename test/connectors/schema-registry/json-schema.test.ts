import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type JsonSchemaOptions, jsonSchema, schemaRegistry } from '../../../src/connectors/index.ts'
import { framed } from '../../../src/connectors/schema-registry/framing.ts'
import { bytesOf, putVector, vectorsOf } from '../../support/registry-vectors.ts'
import { SchemaRegistryDouble } from '../../support/schema-registry-double.ts'

const { signal } = new AbortController()

let server: SchemaRegistryDouble
beforeEach(async () => {
  server = await SchemaRegistryDouble.start()
})
afterEach(() => server[Symbol.asyncDispose]())

async function read(bytes: Uint8Array, options: JsonSchemaOptions = {}): Promise<unknown> {
  const serde = jsonSchema(schemaRegistry({ url: server.url }), z.unknown(), options)
  await serde.prepare?.(bytes, signal)
  return serde.deserialize(bytes)
}

/** Whether a value passes a schema, with all that it refers to. */
async function checked(
  schema: object,
  value: unknown,
  options: { readonly imports?: Record<string, object> } = {},
): Promise<string> {
  const references = Object.entries(options.imports ?? {}).map(([name, imported]) => {
    server.put(100, { schema: JSON.stringify(imported), schemaType: 'JSON' }, name)
    return { name, subject: name, version: 1 }
  })
  server.put(1, { schema: JSON.stringify(schema), schemaType: 'JSON', references })
  const bytes = framed(1, new TextEncoder().encode(JSON.stringify(value)))
  return read(bytes, { validate: true }).then(() => 'fits', String)
}

test.each(vectorsOf('json'))('%s of another client is read', async (_, vector) => {
  putVector(server, vector)

  expect(await read(bytesOf(vector), { validate: true })).toEqual(vector.value)
})

test('what is read is checked against its own schema when that is wanted', async () => {
  server.put(1, { schema: '{"type":"object","required":["a"]}', schemaType: 'JSON' })
  const bytes = framed(1, new TextEncoder().encode('{"b":1}'))

  expect(await read(bytes)).toEqual({ b: 1 })
  await expect(read(bytes, { validate: true })).rejects.toThrow(
    "RECORD_UNDECODABLE: the value does not fit schema 1: value must have required property 'a'.",
  )
})

describe('a schema', () => {
  test.each([
    ['http://json-schema.org/draft-07/schema#', { if: { const: 'right' }, else: false }, 1],
    ['https://json-schema.org/draft/2019-09/schema', { unevaluatedProperties: false }, { a: 1 }],
    ['https://json-schema.org/draft/2020-12/schema', { prefixItems: [{ type: 'string' }] }, [1]],
  ])('is of the draft that it names: %s', async ($schema, rule, wrong) => {
    expect(await checked({ $schema, ...rule }, wrong)).toContain('does not fit schema 1')
    expect(await checked({ $schema, ...rule }, 'right')).toBe('fits')
  })

  test('of a draft that ajv does not know is said to be so', async () => {
    const $schema = 'http://json-schema.org/draft-04/schema#'

    expect(await checked({ $schema, type: 'string' }, 'a')).toContain(`cannot be checked against ${$schema}`)
  })

  test.each([
    ['by their name', {}, 'author.json'],
    ['relative to its id', { $id: 'http://example.com/schemas/document.json' }, 'author.json'],
  ])('finds others %s', async (_, own, name) => {
    const schema = { ...own, properties: { author: { $ref: name } } }
    const imports = { [name]: { type: 'object', required: ['name'] } }

    expect(await checked(schema, { author: { name: 'Ada' } }, { imports })).toBe('fits')
  })

  test('finds others in the right place, where their rules hold', async () => {
    const imports = { 'author.json': { type: 'object', required: ['name'] } }

    expect(await checked({ properties: { author: { $ref: 'author.json' } } }, { author: {} }, { imports })).toContain(
      "author must have required property 'name'",
    )
  })
})

test('what is written is checked as it is written: a date is a text by then', async () => {
  const schema = '{"type":"object","properties":{"at":{"type":"string"}}}'
  const serde = jsonSchema(schemaRegistry({ url: server.url }), z.unknown(), { schema })

  const writer = await serde.forTopic?.({ topic: 't', part: 'value' }, signal)

  expect(() => writer?.serialize({ at: new Date(0) })).not.toThrow()
  expect(() => writer?.serialize({ at: 5 })).toThrow('value/at must be string')
})
