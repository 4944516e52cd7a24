import { StreamError } from '../errors.ts'
import type { DocumentChange, DocumentKey, IndexOp, PendingPoint, Point } from '../model.ts'
import { withValue } from '../record.ts'
import { requireShape } from '../shapes.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'
import type { Embedder } from './embedder.ts'

/**
 * Gives the new chunks of a document their vectors, and hands the whole change on as index operations: upserts first, so that a search
 * finds old or new chunks of a document while it changes, never neither.
 *
 * Stands at the gate (`order: 'key'`). A change that needs no vector (payloads, deletes) passes without touching the embedder, so it
 * never waits behind the embedding of other documents. Errors: EMBED_*; CONFIG_INVALID when it does not stand behind `diff`.
 *
 * @example
 * stream.process(diff('changes', { against: index })).process(embed('vectors', onnx({ model: 'all-MiniLM-L6-v2' }))).to('index', index)
 */
export function embed(
  name: string,
  embedder: Embedder,
): ProcessorSupplier<DocumentKey, DocumentChange, DocumentKey, readonly IndexOp[]> {
  return {
    name,
    operator: 'embed',
    order: 'key',
    // A chunk may wait for hours behind others, or for a device to come back; no document is at fault then.
    deadline: 'none',
    resources: [embedder],
    facts: () => ({ fingerprint: embedder.id, dimensions: embedder.dimensions }),
    create: () => ({
      process(record, context) {
        const change = record.value
        if (change === null) return
        requireShape(`node "${name}" (embed)`, change, 'the change of a document')
        const forward = (points: readonly Point[]) => context.forward(withValue(record, operationsOf(change, points)))
        if (change.upserts.length === 0) return forward([])
        return pointsOf(change.upserts, embedder, context.signal).then(forward)
      },
    }),
  }
}

async function pointsOf(
  pending: readonly PendingPoint[],
  embedder: Embedder,
  signal: AbortSignal,
): Promise<readonly Point[]> {
  const texts = pending.map((point) => point.meaning)
  const truncated = new Set<number>()
  const vectors = await embedder.embed(texts, signal, { onTruncated: (at) => truncated.add(at) })
  return pending.map(({ id, meaning, payload }, at) => {
    const vector = vectors[at]
    if (!vector) throw new StreamError('EMBED_FAILED', `asked for ${texts.length} vectors and got ${vectors.length}`)
    return { id, vector, payload, meaning, ...(truncated.has(at) && { truncated: true as const }) }
  })
}

function operationsOf(change: DocumentChange, points: readonly Point[]): readonly IndexOp[] {
  const operations: IndexOp[] = []
  if (points.length > 0) operations.push({ kind: 'upsert', points })
  if (change.payloads.length > 0) operations.push({ kind: 'set-payload', updates: change.payloads })
  if (change.deletes.length > 0) operations.push({ kind: 'delete', ids: change.deletes })
  return operations
}
