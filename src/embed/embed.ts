import { StreamError } from '../errors.ts'
import type { DocumentChange, DocumentKey, IndexOp, PendingPoint, Point } from '../model.ts'
import { type StreamRecord, withValue } from '../record.ts'
import { requireShape } from '../shapes.ts'
import type { Processor, ProcessorContext, ProcessorSupplier } from '../topology/processor.ts'
import type { Embedder } from './embedder.ts'
import { TextsUnderWay } from './under-way.ts'

export interface EmbedNodeOptions {
  /**
   * How many texts may be under way between the embedder and the index, in all tasks of the process: what a crash costs is to embed them
   * again. Default: as many as keep the embedder busy.
   */
  readonly maxTextsUnderWay?: number
}

const defaultTextsAtOnce = 32

/**
 * Gives the new chunks of a document their vectors, and hands the whole change on as index operations: upserts first, so that a search
 * finds old or new chunks of a document while it changes, never neither.
 *
 * Stands at the gate (`order: 'key'`). A change that needs no vector (payloads, deletes) passes without touching the embedder, so it
 * never waits behind the embedding of other documents. A text waits while `maxTextsUnderWay` others have no vector yet, or one that is not
 * in the index. Errors: EMBED_*; CONFIG_INVALID when it does not stand behind `diff`, or for a bound that is no whole number from 1.
 *
 * @example
 * stream.process(diff('changes', { against: index })).process(embed('vectors', onnx({ model: 'all-MiniLM-L6-v2' }))).to('index', index)
 */
export function embed(
  name: string,
  embedder: Embedder,
  { maxTextsUnderWay }: EmbedNodeOptions = {},
): ProcessorSupplier<DocumentKey, DocumentChange, DocumentKey, readonly IndexOp[]> {
  if (maxTextsUnderWay !== undefined && !(Number.isInteger(maxTextsUnderWay) && maxTextsUnderWay >= 1))
    throw new StreamError('CONFIG_INVALID', `maxTextsUnderWay must be a whole number from 1, not ${maxTextsUnderWay}`)
  let shared: TextsUnderWay | undefined
  return {
    name,
    operator: 'embed',
    order: 'key',
    // A chunk may wait for hours behind others, or for a device to come back; no document is at fault then.
    deadline: 'none',
    resources: [embedder],
    facts: () => ({ fingerprint: embedder.id, dimensions: embedder.dimensions }),
    create: () => {
      // Resources are open by now: the embedder knows its devices.
      shared ??= new TextsUnderWay(maxTextsUnderWay ?? embedder.textsAtOnce ?? defaultTextsAtOnce)
      return new EmbedProcessor(name, embedder, shared)
    },
  }
}

class EmbedProcessor implements Processor<DocumentKey, DocumentChange, DocumentKey, readonly IndexOp[]> {
  readonly #name: string
  readonly #embedder: Embedder
  readonly #underWay: TextsUnderWay

  constructor(name: string, embedder: Embedder, underWay: TextsUnderWay) {
    this.#name = name
    this.#embedder = embedder
    this.#underWay = underWay
  }

  process(record: Input, context: Context): void | Promise<void> {
    const change = record.value
    if (change === null) return
    requireShape(`node "${this.#name}" (embed)`, change, 'the change of a document')
    if (change.upserts.length > 0) return this.#embed(record, change, context)
    context.forward(withValue(record, operationsOf(change, [])))
  }

  async #embed(record: Input, change: DocumentChange, context: Context): Promise<void> {
    const { settled, signal } = context
    await this.#underWay.enter({ texts: change.upserts.length, settled }, signal)
    const points = await pointsOf(change.upserts, this.#embedder, context)
    context.forward(withValue(record, operationsOf(change, points)))
  }
}

type Input = StreamRecord<DocumentKey, DocumentChange>
type Context = ProcessorContext<DocumentKey, readonly IndexOp[]>

async function pointsOf(
  pending: readonly PendingPoint[],
  embedder: Embedder,
  { signal, onShared }: Pick<Context, 'signal' | 'onShared'>,
): Promise<readonly Point[]> {
  const texts = pending.map((point) => point.meaning)
  const truncated = new Set<number>()
  const onTruncated = (at: number) => truncated.add(at)
  const vectors = await embedder.embed(texts, signal, {
    onTruncated,
    ...(onShared && { onBatch: onShared, onTokenized: onShared }),
  })
  return pending.map(({ id, meaning, payload }, at) => {
    const vector = vectors[at]
    if (!vector) throw new StreamError('EMBED_FAILED', `asked for ${texts.length} vectors and got ${vectors.length}`)
    return { id, vector, payload, meaning, ...(truncated.has(at) && { truncated: true as const }) }
  })
}

/** Upserts first, so that a search never finds neither the old chunks nor the new ones. */
export function operationsOf(change: DocumentChange, points: readonly Point[]): readonly IndexOp[] {
  const operations: IndexOp[] = []
  if (points.length > 0) operations.push({ kind: 'upsert', points })
  if (change.payloads.length > 0) operations.push({ kind: 'set-payload', updates: change.payloads })
  if (change.deletes.length > 0) operations.push({ kind: 'delete', ids: change.deletes })
  return operations
}
