export { readSecretFile } from './interpolate.ts'
export { type Pipeline, type ReadPipelineOptions, readPipeline } from './read-pipeline.ts'
