import { documentTopology } from '../src/cli/documents.ts'
import { type Embedder, hash } from '../src/embed/index.ts'
import { createChunker } from '../src/operators/chunker/chunker.ts'
import { markdown } from '../src/operators/chunker/markdown.ts'
import { wantedPoints } from '../src/operators/manifest/document-points.ts'
import { StreamRuntime } from '../src/runtime/stream-runtime.ts'
import type { VectorIndex } from '../src/topology/processor.ts'
import type { Topology } from '../src/topology/topology.ts'
import { book500, changeStream } from '../test/support/change-stream.ts'
import { DocumentLog, type LogRun } from './document-log.ts'
import { compare, type Figure, rounded } from './measure.ts'

const events = changeStream(book500)

/** All that is not chunking, hashing, embedding or the index: log, decoding, dedupe, diff, state, changelogs, commits. */
export async function pipelineOverhead(): Promise<Figure> {
  await using log = await DocumentLog.write(events)
  const { speedup, subjectMs } = await compare({
    clock: 'cpu',
    rounds: 5,
    subject: () => runPipeline(log.nextRun()),
    baseline: chunkAndHash,
  })
  return {
    figure: 'pipeline.overhead',
    value: rounded(1 / speedup),
    unit: 'x',
    detail: `CPU time of the whole pipeline (embedded log on disk, LevelDB state, no-op embedder and index) / of chunking and hashing alone, ${events.length} versions of documents; ${rounded(subjectMs / events.length)} ms a version`,
  }
}

async function runPipeline(run: LogRun): Promise<void> {
  const runtime = new StreamRuntime({ topology: nothingTopology(), ...run })
  await runtime.start()
  await runtime.drain()
  await runtime.close()
}

function chunkAndHash(): void {
  const chunker = createChunker(markdown)
  for (const { key, text } of events) {
    const document = { chunks: chunker.split(text), metadata: {} }
    wantedPoints(key, document, { pipeline: 'bench', partition: 0, at: 0 })
  }
}

/** The pipeline of `millrace index` with an embedder and an index that do nothing. */
export function nothingTopology(): Topology {
  return documentTopology(nothingIndex(), nothingEmbedder())
}

/** Vectors that cost nothing. */
function nothingEmbedder(): Embedder {
  const vector = new Float32Array(8).fill(Math.SQRT1_2 / 2)
  return Object.create(hash({ dimensions: 8 }), {
    embed: { value: async (texts: readonly string[]) => texts.map(() => vector) },
  })
}

/** An index that acknowledges at once and forgets. */
function nothingIndex(): VectorIndex {
  return {
    name: 'nothing',
    stats: { writeRequests: 0, pointsWritten: 0, payloadsWritten: 0, pointsDeleted: 0 },
    open: async () => undefined,
    close: async () => undefined,
    writer: () => ({ write: async () => undefined, flush: () => undefined, close: async () => undefined }),
    observe: async () => new Map(),
    async *scan() {},
    search: async () => [],
  }
}
