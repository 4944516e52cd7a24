import { z } from 'zod'
import { runtimeSettings } from '../../config.ts'
import { kafkaSchema } from './kafka.ts'
import { optional } from './key.ts'
import { modelSchema } from './model.ts'
import { schemaRegistrySchema } from './schema-registry.ts'
import { chunkerSchema, documentSchema, filterSchema, sourceSchema } from './source.ts'
import { indexSchema } from './vector-index.ts'

const { application, onUndecodable, onFailedRecord } = runtimeSettings.shape

const deadLetterSchema = z.strictObject({
  onUndecodable,
  onFailedRecord,
  topic: z.exactOptional(
    z
      .string()
      .meta({ description: 'Where given-up records go with their error. Left out: `<application>-dead-letter`.' }),
  ),
})

const runtimeSchema = runtimeSettings.omit({
  application: true,
  // No step of a pipeline holds updates back.
  cacheMaxBytes: true,
  onUndecodable: true,
  onFailedRecord: true,
  deadLetterTopic: true,
})

/**
 * A pipeline as data: what millrace.yaml holds. The single source of the JSON Schema for editors, of the table in docs/pipelines.md, of
 * "did you mean" and of what is redacted. Sizes in bytes, times in milliseconds, as their names say.
 */
export const pipelineSchema = z.strictObject({
  application,
  kafka: kafkaSchema.prefault({}).describe('How to reach the brokers.'),
  schemaRegistry: optional(
    schemaRegistrySchema,
    'Where the schemas of values lie, with the formats avro, jsonSchema and protobuf. Left out: nowhere.',
  ),
  source: sourceSchema.describe('What is read.'),
  document: documentSchema.prefault({}).describe('Which fields make the document.'),
  filter: optional(
    filterSchema,
    'Conditions that all have to hold; a document that does not pass is deleted from the index. Left out: all pass.',
  ),
  chunker: chunkerSchema.prefault({}).describe('How documents are cut.'),
  model: modelSchema.describe('What makes the vectors.'),
  index: indexSchema.describe('Where the points go.'),
  runtime: runtimeSchema.prefault({}).describe('Commit, limits and deadlines.'),
  deadLetters: deadLetterSchema.prefault({}).describe('What happens to records that cannot be processed.'),
})

export type PipelineDescription = z.infer<typeof pipelineSchema>
