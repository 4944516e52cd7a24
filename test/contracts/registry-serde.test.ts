import { avro, jsonSchema, protobuf } from '../../src/connectors/index.ts'
import { registrySerdeFeatures } from './registry-serde.features.ts'

const fields = [
  { name: 'title', type: 'string' },
  { name: 'size', type: 'long' },
]
const record = { type: 'record', name: 'mill.Document', fields }

registrySerdeFeatures('Avro', {
  schemaType: 'AVRO',
  create: avro,
  schema: JSON.stringify(record),
  sameSchema: JSON.stringify(record, null, 1),
  noSchema: '{"type":"nonsense"}',
  unfit: { title: 'no size' },
})

const object = {
  title: 'mill.Document',
  type: 'object',
  properties: { title: { type: 'string' }, size: { type: 'integer' } },
  required: ['title', 'size'],
  additionalProperties: false,
}

registrySerdeFeatures('JSON Schema', {
  schemaType: 'JSON',
  create: (registry, shape, options) => jsonSchema(registry, shape, { validate: true, ...options }),
  schema: JSON.stringify(object),
  sameSchema: JSON.stringify(object, null, 1),
  noSchema: '{"type":"nonsense"}',
  unfit: { title: 'no size' },
})

const file = 'syntax = "proto3"; package mill; message Document { string title = 1; int64 size = 2; }'

registrySerdeFeatures('Protobuf', {
  schemaType: 'PROTOBUF',
  create: protobuf,
  schema: file,
  sameSchema: file.replaceAll(' = ', '='),
  noSchema: 'syntax = "proto3"; message A { Missing b = 1; }',
  unfit: { title: 'a', size: 1, extra: true },
})
