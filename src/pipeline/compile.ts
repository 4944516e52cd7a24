import { z } from 'zod'
import {
  avro,
  jsonSchema,
  type KafkaBrokerOptions,
  kafka,
  protobuf,
  qdrant,
  type SchemaRegistry,
  schemaRegistry,
  sqliteIndex,
} from '../connectors/index.ts'
import { cached, type Embedder, embed, hash, ollama, onnx, openAiCompatible, tei, tokenLimit } from '../embed/index.ts'
import { StreamError } from '../errors.ts'
import { FileDocument } from '../file-document.ts'
import type { Logger } from '../logger.ts'
import type { ChunkedDocument } from '../model.ts'
import type { ChunkOptions } from '../operators/index.ts'
import { chunk, dedupe, diff, filter } from '../operators/index.ts'
import { json, type Serde, string } from '../serde.ts'
import { TopologyBuilder } from '../topology/builder.ts'
import type { ProcessorSupplier, VectorIndex } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'
import { predicateOf } from './conditions.ts'
import { fieldReader } from './field-path.ts'
import type { ModelDescription } from './schema/model.ts'
import type { PipelineDescription } from './schema/pipeline.ts'
import type { IndexDescription } from './schema/vector-index.ts'

/** Names of the nodes. Stores and changelogs derive from them: they must never change. */
const nodeNames = {
  source: 'documents',
  filter: 'selected',
  dedupe: 'unchanged',
  chunk: 'chunks',
  diff: 'changes',
  embed: 'vectors',
  index: 'index',
} as const

/** What a description does not say, because it is about the process and not about the pipeline. */
export interface CompileContext {
  readonly logger?: Logger
  /** Where added models are, unless the description says it. */
  readonly modelsFolder?: string
}

type Documents = Pick<PipelineDescription, 'source' | 'document'>

/** The topology that a description stands for: the value that the same steps in TypeScript would build. Does no I/O. */
export function compilePipeline(description: PipelineDescription, context: CompileContext = {}): Topology {
  const { source, filter: conditions } = description
  const index = indexOf(description.index, context)
  const embedder = embedderOf(description.model, context)
  const builder = new TopologyBuilder()
  const documents = builder.stream(
    nodeNames.source,
    kafka({ topic: source.topic, key: string, value: serdeOf(description, context) }),
  )
  const selected = conditions ? documents.process(filter(nodeNames.filter, predicateOf(conditions))) : documents
  selected
    .process(dedupe(nodeNames.dedupe, { content: contentOf(description) }))
    .process(chunkNode(description, embedder))
    .process(diff(nodeNames.diff, { against: index }))
    .process(embed(nodeNames.embed, embedder))
    .to(nodeNames.index, index)
  return builder.build()
}

/** An object of JSON, taken as it is: what it must hold depends on the document. */
const anyObject = z.custom<object>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object',
)

type Format = PipelineDescription['source']['format']

/** Formats whose values name a schema that lies in a registry. */
const registered = {
  avro: (registry) => avro(registry, anyObject),
  jsonSchema: (registry) => jsonSchema(registry, anyObject),
  protobuf: (registry) => protobuf(registry, anyObject),
} satisfies Partial<Record<Format, (registry: SchemaRegistry) => Serde<unknown>>>

/** The format needs a schema registry. */
export function isRegistered(format: Format): format is keyof typeof registered {
  return format in registered
}

function serdeOf(
  { source, schemaRegistry: registry }: PipelineDescription,
  { logger }: CompileContext,
): Serde<unknown> {
  const { format } = source
  if (format === 'text') return string
  if (format === 'file') return json(FileDocument)
  if (!registry || !isRegistered(format)) return json(anyObject)
  return registered[format](schemaRegistry({ ...registry, ...(logger && { logger }) }))
}

function chunkNode(
  description: Documents & Pick<PipelineDescription, 'chunker'>,
  embedder: Embedder,
): ProcessorSupplier<string, unknown, string, ChunkedDocument> {
  const title = titleOf(description.document.title)
  const options: ChunkOptions<unknown> = {
    ...description.chunker,
    text: textOf(description),
    limit: tokenLimit(embedder),
    ...(title && { title }),
    metadata: metadataOf(description.document.metadata),
  }
  return chunk(nodeNames.chunk, options)
}

/** What counts as a change of a document. */
function contentOf(description: Documents): (value: unknown) => unknown {
  const text = textOf(description)
  const title = titleOf(description.document.title)
  const metadata = metadataOf(description.document.metadata)
  return (value) => ({ text: text(value), title: title?.(value), metadata: metadata(value) })
}

function textOf({ source, document }: Documents): (value: unknown) => string {
  if (source.format === 'text') return (value) => String(value)
  const path = document.text ?? 'text'
  const read = fieldReader(path)
  return (value) => {
    const text = read(value)
    if (typeof text === 'string') return text
    const found = text === undefined ? 'missing' : `no text but ${text === null ? 'null' : typeof text}`
    throw new StreamError('RECORD_FAILED', `the field "${path}" of the document is ${found}`, {
      fix: 'Correct the document, or `document.text` of the pipeline.',
    })
  }
}

function titleOf(path: string | undefined): ((value: unknown) => string | undefined) | undefined {
  if (path === undefined) return undefined
  const read = fieldReader(path)
  return (value) => {
    const title = read(value)
    return typeof title === 'string' ? title : undefined
  }
}

function metadataOf(fields: Readonly<Record<string, string>> = {}): (value: unknown) => Record<string, unknown> {
  const readers = Object.entries(fields).map(([name, path]) => [name, fieldReader(path)] as const)
  return (value) =>
    Object.fromEntries(readers.map(([name, read]) => [name, read(value)]).filter(([, found]) => found !== undefined))
}

/** Throws CONFIG_INVALID for options that cannot work. */
export function indexOf(
  { qdrant: collection, sqlite = {} }: IndexDescription,
  { logger }: CompileContext,
): VectorIndex {
  return collection ? qdrant({ ...collection, ...(logger && { logger }) }) : sqliteIndex(sqlite)
}

/** Throws CONFIG_INVALID for options that cannot work. */
export function embedderOf(model: ModelDescription, context: CompileContext): Embedder {
  const { logger } = context
  const embedder = modelOf(model, context)
  return model.cache ? cached(embedder, { ...model.cache, ...(logger && { logger }) }) : embedder
}

function modelOf(model: ModelDescription, { logger, modelsFolder }: CompileContext): Embedder {
  const told = logger ? { logger } : {}
  if (model.onnx) return onnx({ ...(modelsFolder !== undefined && { modelsFolder }), ...model.onnx })
  if (model.tei) return tei({ ...model.tei, ...told })
  if (model.openAiCompatible) return openAiCompatible({ ...model.openAiCompatible, ...told })
  if (model.ollama) return ollama({ ...model.ollama, ...told })
  return hash(model.hash)
}

/** How to reach the brokers; undefined where the description does not name them. */
export type KafkaConnection = Omit<KafkaBrokerOptions, 'brokers' | 'logger' | 'clock'> & {
  readonly brokers?: readonly string[]
}

export function kafkaConnectionOf(
  { brokers, sasl, ...options }: PipelineDescription['kafka'],
  readFile: (path: string) => string,
): KafkaConnection {
  return {
    ...options,
    ...(brokers !== undefined && {
      brokers: typeof brokers === 'string' ? brokers.split(',').map((address) => address.trim()) : brokers,
    }),
    ...(sasl && { sasl: sasl.mechanism === 'oauthbearer' ? tokenIn(sasl.tokenFile, readFile) : sasl }),
  }
}

function tokenIn(file: string, readFile: (path: string) => string): NonNullable<KafkaBrokerOptions['sasl']> {
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: readFile(file).trim() }) }
}
