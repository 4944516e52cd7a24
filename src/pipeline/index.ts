export { readSecretFile } from './interpolate.ts'
export { readKafkaConnection } from './read-connection.ts'
export { type Pipeline, type ReadPipelineOptions, readPipeline } from './read-pipeline.ts'
