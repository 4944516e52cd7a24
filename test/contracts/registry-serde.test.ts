import { avro } from '../../src/connectors/index.ts'
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
