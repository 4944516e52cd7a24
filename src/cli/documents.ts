import { kafka } from '../connectors/kafka/source.ts'
import { type Embedder, embed, tokenLimit } from '../embed/index.ts'
import { FileDocument } from '../file-document.ts'
import { chunk } from '../operators/chunk.ts'
import { dedupe } from '../operators/dedupe.ts'
import { diff } from '../operators/diff.ts'
import { json, string } from '../serde.ts'
import { TopologyBuilder } from '../topology/builder.ts'
import type { VectorIndex } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'

/** Names of the pipeline behind `millrace index`. Stores and changelogs derive from them: they must never change. */
export const names = {
  application: 'index',
  topic: 'documents',
  cursorTopic: 'index-feed-cursor',
  dedupe: 'unchanged',
  chunk: 'chunks',
  diff: 'changes',
  embed: 'vectors',
} as const

/**
 * Size of the largest document that `millrace index` takes, for the files of a folder and for the texts of a change stream. The embedded
 * log has room for eight times as much, so JSON cannot make a document too large for it.
 */
export const defaultMaxDocumentBytes = 8 * 1024 * 1024

export interface DocumentTopologyOptions {
  /** Default `documents`. */
  readonly topic?: string | undefined
  /** Larger documents become dead letters. UTF-8 bytes, default 8 MiB. */
  readonly maxDocumentBytes?: number | undefined
}

/** What `millrace index` runs: the pipeline of the README over documents of one topic. */
export function documentTopology(
  index: VectorIndex,
  embedder: Embedder,
  options: DocumentTopologyOptions = {},
): Topology {
  const { topic = names.topic, maxDocumentBytes = defaultMaxDocumentBytes } = options
  const builder = new TopologyBuilder()
  builder
    .stream(names.topic, kafka({ topic, key: string, value: json(FileDocument) }))
    .process(dedupe(names.dedupe))
    .process(chunk(names.chunk, { text: (document) => document.text, limit: tokenLimit(embedder), maxDocumentBytes }))
    .process(diff(names.diff, { against: index }))
    .process(embed(names.embed, embedder))
    .to('index', index)
  return builder.build()
}
