export type { HttpTlsOptions } from '../tls-fetch.ts'
export { type EmbeddedBrokerOptions, embeddedBroker } from './embedded/broker.ts'
export { type SqliteIndexOptions, sqliteIndex } from './embedded/sqlite-index.ts'
export { changeStream } from './files/change-stream.ts'
export { folder } from './files/folder.ts'
export { type KafkaBrokerOptions, kafkaBroker } from './kafka/broker.ts'
export { kafkaTopic, kafkaTopics, type TopicChoiceOptions, type TopicTargetOptions } from './kafka/sink.ts'
export { kafka, type TopicSourceOptions } from './kafka/source.ts'
export type { TlsOptions } from './kafka/tls-options.ts'
export { type QdrantOptions, qdrant } from './qdrant/sink.ts'
export { type AvroOptions, avro } from './schema-registry/avro.ts'
export { type JsonSchemaOptions, jsonSchema } from './schema-registry/json-schema.ts'
export { type ProtobufOptions, protobuf } from './schema-registry/protobuf.ts'
export { type SchemaRegistryOptions, schemaRegistry } from './schema-registry/registry.ts'
export type { RegistrySerdeOptions } from './schema-registry/registry-serde.ts'
export type {
  CompleteSchema,
  NamedSchema,
  OwnSchema,
  RegisteredSchema,
  SchemaReference,
  SchemaRegistry,
  SchemaType,
} from './schema-registry/schemas.ts'
export type { SubjectNaming } from './schema-registry/subjects.ts'
