import { z } from 'zod'
import { PlanCounts } from '../../src/cli/plan/plan-counts.ts'
import { type Plan, planRun } from '../../src/cli/plan/plan-run.ts'
import { parseSettings } from '../../src/config.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { type Embedder, embed, hash } from '../../src/embed/index.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { json, string } from '../../src/serde.ts'
import { changelogTopic } from '../../src/state/changelog.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import { MemoryIndex } from './memory-index.ts'

const Document = z.object({ text: z.string(), author: z.string() })
export type Document = z.infer<typeof Document>

export interface PipelineChoice {
  /** Of a chunk, in characters. */
  readonly max?: number
  readonly dimensions?: number
}

const application = 'app'
const partitions = 2
const settings = parseSettings({ application, commitIntervalMs: 100 })

/** An application with its log and its index, of which runs can be planned and done. */
export class PlannedApplication implements AsyncDisposable {
  readonly log: EmbeddedBroker
  readonly index = new MemoryIndex()

  private constructor(log: EmbeddedBroker) {
    this.log = log
  }

  static async start(): Promise<PlannedApplication> {
    const log = embeddedBroker()
    await log.open()
    await log.createTopics([{ topic: 'documents', partitions, cleanup: 'compact' }])
    return new PlannedApplication(log)
  }

  /** Writes versions of documents; null deletes one, and `undecodable` is a text that is no document. */
  async write(versions: Readonly<Record<string, Document | null | 'undecodable'>>): Promise<void> {
    const producer = await this.log.producer()
    const bytesOf = (version: Document | null | 'undecodable') =>
      version === null ? null : Buffer.from(version === 'undecodable' ? '{' : JSON.stringify(version))
    await producer.send(
      Object.entries(versions).map(([key, version]) => ({
        topic: 'documents',
        partition: partitionFor(Buffer.from(key), partitions),
        key: Buffer.from(key),
        value: bytesOf(version),
        timestamp: 1_700_000_000_000,
        headers: noHeaders,
      })),
    )
    await producer.close()
  }

  async plan(choice: PipelineChoice & { readonly afterReset?: boolean; readonly broker?: Broker } = {}): Promise<Plan> {
    const { afterReset = false, broker = this.log } = choice
    const { signal } = new AbortController()
    const topology = topologyOf(this.index, hash({ dimensions: choice.dimensions ?? 8 }), choice)
    const plan = await planRun({ topology, settings, broker, afterReset, signal })
    if (!plan) throw new Error('it was stopped')
    return plan
  }

  /** What a run that goes to the end of the log has done, in the words of a plan; counted by the embedder and the index. */
  async run(choice: PipelineChoice & { readonly crash?: boolean } = {}): Promise<Plan> {
    const asked: string[] = []
    const embedder = hash({ dimensions: choice.dimensions ?? 8 })
    const topology = topologyOf(this.index, listening(embedder, asked), choice)
    const counts = new PlanCounts(topology)
    const before = { ...this.index.stats }
    const runtime = new StreamRuntime({
      ...settings,
      topology,
      broker: this.log,
      observer: counts,
      stateInMemory: true,
    })
    await runtime.start()
    await runtime.drain()
    await (choice.crash ? runtime.kill() : runtime.close())
    const { pointsWritten, payloadsWritten, pointsDeleted } = this.index.stats
    return {
      records: counts.records,
      documents: counts.documents,
      chunks: counts.chunks,
      embeddings: {
        texts: asked.length,
        distinct: new Set(asked).size,
        characters: asked.join('').length,
        tokens: embedder.stats.tokens,
      },
      points: {
        upserts: pointsWritten - before.pointsWritten,
        payloadUpdates: payloadsWritten - before.payloadsWritten,
        deletes: pointsDeleted - before.pointsDeleted,
      },
      failures: counts.failures,
    }
  }

  /** As `millrace reset` does. */
  async reset(): Promise<void> {
    await this.log.admin.deleteGroup(application)
    await this.log.admin.deleteTopics(['unchanged', 'changes'].map((store) => changelogTopic(application, store)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.log.close()
  }
}

function topologyOf(index: VectorIndex, embedder: Embedder, { max = 200 }: PipelineChoice) {
  const builder = new TopologyBuilder()
  builder
    .stream('documents', kafka({ topic: 'documents', key: string, value: json(Document) }))
    .process(dedupe('unchanged'))
    .process(chunk('chunks', { text: ({ text }) => text, metadata: ({ author }) => ({ author }), min: max / 4, max }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', embedder))
    .to('index', index)
  return builder.build()
}

/** The same embedder; the texts that it is asked for are added to a list. */
function listening(embedder: Embedder, asked: string[]): Embedder {
  return {
    ...embedder,
    get stats() {
      return embedder.stats
    },
    embed: (texts, signal, options) => {
      asked.push(...texts)
      return embedder.embed(texts, signal, options)
    },
  }
}
