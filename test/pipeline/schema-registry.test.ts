import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { kafka } from '../../src/connectors/index.ts'
import { framed } from '../../src/connectors/schema-registry/framing.ts'
import { bytes, string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { linesOf, pipelineOf, problemsOf } from '../support/pipelines.ts'
import { SchemaRegistryDouble } from '../support/schema-registry-double.ts'

const rest = `application: test
model: { hash: { dimensions: 32 } }
index: { sqlite: { path: ':memory:' } }
`
const source = kafka({ topic: 'documents', key: string, value: bytes })
const title = { name: 'title', type: 'string' }
const author = { name: 'author', type: { type: 'record', name: 'Author', fields: [{ name: 'name', type: 'string' }] } }
const record = { type: 'record', name: 'Document', fields: [title, author] }
const message =
  'syntax = "proto3"; message Document { string title = 1; Author author = 2; } message Author { string name = 1; }'

let server: SchemaRegistryDouble
beforeEach(async () => {
  server = await SchemaRegistryDouble.start()
})
afterEach(() => server[Symbol.asyncDispose]())

function indexAt(topology: Topology): VectorIndex {
  const node = topology.nodes.get('index')
  if (node?.kind !== 'sink' || node.target.kind !== 'sink') throw new Error('there is no index')
  return node.target.sink as VectorIndex
}

describe('a pipeline file reads', () => {
  test.each([
    ['avro', JSON.stringify(record), 'AVRO', '\x06One\x06Ada'],
    ['jsonSchema', '{"type":"object"}', 'JSON', '{"title":"One","author":{"name":"Ada"}}'],
    ['protobuf', message, 'PROTOBUF', '\x00\x0a\x03One\x12\x05\x0a\x03Ada'],
  ])('%s', async (format, schema, schemaType, value) => {
    server.authorization = `Basic ${btoa('mill:wind')}`
    server.put(9, { schema, schemaType })
    const { topology } = pipelineOf(
      `${rest}schemaRegistry: { url: "${server.url}", username: mill, password: "\${file:/p}" }
source: { topic: documents, format: ${format} }
document: { text: title, metadata: { by: author.name } }
`,
      { files: { '/p': 'wind\n' } },
    )
    await using driver = await TopologyTestDriver.start(topology)

    await driver.pipe(source, { key: 'kept', value: framed(9, Buffer.from(value)) }, { key: 'gone', value: null })

    const points = await Array.fromAsync(indexAt(topology).scan())
    expect(points.map(({ payload }) => payload.metadata)).toMatchObject([{ source: 'kept', by: 'Ada' }])
  })
})

describe('what is wrong with a schema registry', () => {
  const lines = (text: string) => linesOf(problemsOf(`${rest}document: { text: a }\n${text}`))
  const avro = 'source: { topic: documents, format: avro }\n'

  test.each([
    ['that is missing', avro, ['1:1 schemaRegistry: is missing; with the format avro it says where the schemas lie']],
    ['without a URL', `${avro}schemaRegistry: {}\n`, ['6:1 schemaRegistry.url: is missing; expected text or a list']],
    [
      'with a password and no user',
      `${avro}schemaRegistry: { url: "https://r", password: x }\n`,
      ['6:1 schemaRegistry: `username` and `password` of the schema registry go together. Correct the named settings'],
    ],
    [
      'that would get a password unencrypted',
      `${avro}schemaRegistry: { url: "http://r", token: x }\n`,
      ['6:1 schemaRegistry: an API key would travel unencrypted to http://r. Use https, or a server on this machine'],
    ],
    [
      'with half a certificate',
      `${avro}schemaRegistry: { url: "https://r", ssl: { cert: x } }\n`,
      ['6:37 schemaRegistry.ssl: `cert` and `key` go together'],
    ],
    [
      'with a certificate as text and as a file',
      `${avro}schemaRegistry: { url: ["https://r", "https://s"], ssl: { ca: x, caFile: /ca.pem } }\n`,
      ['6:52 schemaRegistry.ssl: has a certificate twice, as text and as a file'],
    ],
    [
      'of a format that is none',
      'source: { topic: documents, format: arvo }\n',
      ['5:37 source.format: expected one of json, avro, jsonSchema, protobuf, text, file (avro)'],
    ],
  ])('%s is told with its place', (_, text, expected) => {
    expect(lines(text)).toEqual(expected)
  })
})
