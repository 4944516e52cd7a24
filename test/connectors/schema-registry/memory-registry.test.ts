import { expect, test } from 'vitest'
import { z } from 'zod'
import { avro, kafka, kafkaTopic, protobuf } from '../../../src/connectors/index.ts'
import { framed } from '../../../src/connectors/schema-registry/framing.ts'
import { string } from '../../../src/serde.ts'
import { memorySchemaRegistry, TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'

const { signal } = new AbortController()
const Document = z.object({ title: z.string() })
const fields = [{ name: 'title', type: 'string' }]
const schema = JSON.stringify({ type: 'record', name: 'Document', fields })
const message = 'syntax = "proto3"; message Document { string title = 1; }'
const own = { type: 'AVRO', text: schema, references: [], normalize: false } as const

test('a topology of Avro and Protobuf runs in a test without a server', async () => {
  const registry = memorySchemaRegistry()
  const source = kafka({ topic: 'documents', key: string, value: avro(registry, Document, { schema }) })
  const target = kafkaTopic({ topic: 'copy', key: string, value: protobuf(registry, Document, { schema: message }) })
  const builder = new TopologyBuilder()
  builder.stream('documents', source).to('copy', target)
  await using driver = await TopologyTestDriver.start(builder.build())

  await driver.pipe(source, { key: 'a', value: { title: 'One' } }, { key: 'a', value: null })

  expect((await driver.read(target)).map(({ value }) => value)).toEqual([{ title: 'One' }, null])
})

test('a schema has one id in all subjects, and versions in each', async () => {
  const registry = memorySchemaRegistry()
  const put = (subject: string, text: string) => registry.idOf({ ...own, text, subject, register: true }, signal)

  const ids = [await put('a', '"int"'), await put('b', '"long"'), await put('a', '"long"'), await put('a', '"int"')]

  expect(ids).toEqual([1, 2, 2, 1])
  const references = [{ name: 'second', subject: 'a', version: 2 }]
  expect((await registry.complete({ ...own, references }, signal)).imports).toEqual([
    { name: 'second', text: '"long"' },
  ])
})

test('what is not there is refused: an id, a version, a schema that is not to be registered', async () => {
  const registry = memorySchemaRegistry()
  const serde = avro(registry, Document)
  const bytes = framed(5, new Uint8Array())
  await serde.prepare?.(bytes, signal)
  const references = [{ name: 'a', subject: 'a', version: 1 }]

  expect(() => serde.deserialize(bytes)).toThrow(
    'schema 5 cannot be used: the schema registry in memory has no schema 5.',
  )
  await expect(registry.complete({ ...own, references }, signal)).rejects.toThrow('no version 1 of subject "a"')
  await expect(registry.idOf({ ...own, subject: 'a', register: false }, signal)).rejects.toMatchObject({
    code: 'SCHEMA_REFUSED',
  })
})
