import { documentTopology } from '../../src/cli/documents.ts'
import { type Embedder, hash } from '../../src/embed/index.ts'
import type { FileDocument } from '../../src/file-document.ts'
import type { DocumentChange } from '../../src/model.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import type { NodeEvent, RuntimeObserver } from '../../src/runtime/observer.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import type { ChangeEvent } from './change-stream.ts'
import type { DumpedPoint } from './oracle.ts'

/** Counts what the pipeline of `millrace index` asks its embedder and its index for. */
export class ChangeCounter implements RuntimeObserver {
  /** Points that diff wanted embedded. */
  upserts = 0
  payloads = 0
  deletes = 0

  processed({ node, outputs }: NodeEvent): void {
    if (node !== 'changes') return
    for (const { value } of outputs) {
      const change = value as DocumentChange
      this.upserts += change.upserts.length
      this.payloads += change.payloads.length
      this.deletes += change.deletes.length
    }
  }
}

export interface Pipeline {
  readonly runtime: StreamRuntime
  readonly embedder: Embedder
  readonly counter: ChangeCounter
}

/** Starts the pipeline of `millrace index` with the hash embedder. */
export async function startPipeline(
  index: VectorIndex,
  { topic, ...options }: Partial<StreamRuntimeOptions> & { readonly broker: Broker; readonly topic?: string },
): Promise<Pipeline> {
  const embedder = hash({ dimensions: 64 })
  const counter = new ChangeCounter()
  const topology = documentTopology(index, embedder, { topic })
  const runtime = new StreamRuntime({ application: 'index', observer: counter, ...options, topology })
  await runtime.start()
  return { runtime, embedder, counter }
}

/** Writes events as documents; resolves when they are in the topic. */
export async function produceEvents(
  broker: Broker,
  events: readonly ChangeEvent[],
  { topic, partitions }: { readonly topic: string; readonly partitions: number },
): Promise<void> {
  const producer = await broker.producer()
  for (let start = 0; start < events.length; start += 200) {
    await producer.send(
      events.slice(start, start + 200).map(({ key, op, text }) => {
        const document: FileDocument = { path: key, text }
        return {
          topic,
          partition: partitionFor(Buffer.from(key), partitions),
          key: Buffer.from(key),
          value: op === 'delete' ? null : Buffer.from(JSON.stringify(document)),
          timestamp: 1_700_000_000_000,
          headers: noHeaders,
        }
      }),
    )
  }
  await producer.close()
}

/** Every point, as `millrace export` prints it. The index must be open. */
export async function dump(index: VectorIndex): Promise<DumpedPoint[]> {
  const points: DumpedPoint[] = []
  for await (const { id, doc, payload } of index.scan()) points.push({ id, key: doc, text: payload.content })
  return points
}
