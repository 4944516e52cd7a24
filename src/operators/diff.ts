import type { ChunkedDocument, DocumentChange, DocumentKey, Manifest, PointId } from '../model.ts'
import { type StreamRecord, withValue } from '../record.ts'
import { string } from '../serde.ts'
import { requireShape } from '../shapes.ts'
import type { KeyValueStore } from '../state/store.ts'
import type { Processor, ProcessorContext, ProcessorSupplier, VectorIndex } from '../topology/processor.ts'
import { partitionOf } from '../topology/task-id.ts'
import { IndexLook } from './index-look.ts'
import { manifestPoints, type WantedPoint, wantedPoints } from './manifest/document-points.ts'
import { manifestSerde } from './manifest/manifest-codec.ts'

export interface DiffOptions {
  /** The index that the change ends in: what it holds is looked at where memory cannot be trusted. */
  readonly against: VectorIndex
}

/**
 * Compares each version of a document with what the index holds, and emits the smallest change that makes the index hold that version:
 * new chunks, kept chunks whose payload changed, vanished chunks. Nothing is emitted when nothing changed.
 *
 * A chunk is the same when its meaning is, wherever it stands; the k-th chunk of a meaning is occurrence k. A tombstone deletes all
 * points, and so does a document without chunks. Under another pipeline (model, chunker ...) every point is new, and the old ones are
 * deleted.
 *
 * Keeps a manifest for each document in the store `name`: 24 bytes a chunk. The manifest is taken for what the index holds, but for the
 * first time that a key comes while the task is recovering, and after a version of it was given up: then the index itself is asked.
 *
 * The payload's `metadata` are the user's fields, and over them `source` (the document key) and `heading`. Errors: RECORD_UNENCODABLE
 * for metadata that JSON cannot hold; INDEX_* when the index cannot be asked; CONFIG_INVALID when it does not stand behind `chunk`.
 *
 * @example
 * chunks.process(diff('changes', { against: index })).process(embed('vectors', onnx({ model: 'all-MiniLM-L6-v2' }))).to('index', index)
 */
export function diff(
  name: string,
  options: DiffOptions,
): ProcessorSupplier<DocumentKey, ChunkedDocument, DocumentKey, DocumentChange> {
  const { against } = options
  return {
    name,
    operator: 'diff',
    order: 'key',
    // The index may be down for hours; no document is at fault then.
    deadline: 'none',
    coalesces: true,
    stores: [{ kind: 'key-value', name, key: string, value: manifestSerde }],
    observes: [against],
    create: () => new DiffProcessor(name, against),
  }
}

type Input = StreamRecord<DocumentKey, ChunkedDocument>
type Context = ProcessorContext<DocumentKey, DocumentChange>

/** Above this many keys an endless recovery would fill the memory: it starts to forget, and asks the index once more. */
const maxReconciled = 200_000

class DiffProcessor implements Processor<DocumentKey, ChunkedDocument, DocumentKey, DocumentChange> {
  readonly #name: string
  readonly #index: IndexLook
  /** Keys whose manifest was compared with the index since the task began to recover. */
  readonly #reconciled = new Set<DocumentKey>()
  /** The manifest as it was before a record, for as long as somebody works for the record. */
  readonly #before = new WeakMap<Input, Manifest | undefined>()

  constructor(name: string, against: VectorIndex) {
    this.#name = name
    this.#index = new IndexLook(against)
  }

  process(record: Input, context: Context): void | Promise<void> {
    requireShape(`node "${this.#name}" (diff)`, record.value, 'chunks of a document')
    if (!context.recovering) this.#reconciled.clear()
    const manifest = this.#store(context).get(record.key)
    this.#before.set(record, manifest)
    if (this.#isTrusted(record.key, manifest, context)) {
      const held = manifest ? payloadHashes(record.key, manifest) : new Map<PointId, string>()
      return this.#advance(record, context, { held, isKnown: manifest !== undefined })
    }
    return this.#observed(record, context)
  }

  takeBack(record: Input, context: Context): void {
    const store = this.#store(context)
    const before = this.#before.has(record) ? this.#before.get(record) : store.get(record.key)
    store.put(record.key, { ...(before ?? emptyManifest(context)), dirty: true })
  }

  #store(context: Context): KeyValueStore<DocumentKey, Manifest> {
    return context.store(this.#name)
  }

  /**
   * Without a manifest nothing is known: the collection may hold the document from a time before the state. So the first version of every
   * document looks at the index once.
   */
  #isTrusted(key: DocumentKey, manifest: Manifest | undefined, context: Context): boolean {
    if (context.recovering && this.#reconciled.has(key)) return manifest?.dirty !== true
    return manifest?.dirty === false && !context.recovering
  }

  async #observed(record: Input, context: Context): Promise<void> {
    const points = await this.#index.of(record.key, context.signal)
    if (this.#reconciled.size >= maxReconciled) this.#reconciled.clear()
    if (context.recovering) this.#reconciled.add(record.key)
    const held = new Map(points.map(({ id, payloadHash }) => [id, payloadHash]))
    this.#advance(record, context, { held, isKnown: held.size > 0 })
  }

  #advance(record: Input, context: Context, before: Before): void {
    const after = record.value === null ? [] : pointsOf(record, record.value, context)
    const change = changeBetween(before, after, record.value === null)
    this.#remember(record, context, after)
    if (change) context.forward(withValue(record, change))
  }

  #remember(record: Input, context: Context, after: readonly WantedPoint[]): void {
    const store = this.#store(context)
    if (record.value !== null)
      store.put(record.key, { ...emptyManifest(context), chunks: after.map(({ chunk }) => chunk) })
    else if (store.get(record.key) !== undefined) store.delete(record.key)
  }
}

/** What the index holds of a document. */
interface Before {
  /** The hash of each point's payload. */
  readonly held: ReadonlyMap<PointId, string>
  readonly isKnown: boolean
}

function pointsOf(record: Input, document: ChunkedDocument, context: Context): WantedPoint[] {
  const { pipeline } = context
  return wantedPoints(record.key, document, { pipeline, partition: partitionOf(context.task), at: record.timestamp })
}

function payloadHashes(key: DocumentKey, manifest: Manifest): Map<PointId, string> {
  return new Map([...manifestPoints(key, manifest)].map(([id, { payloadHash }]) => [id, payloadHash]))
}

function emptyManifest(context: Context): Manifest {
  const source = { partition: partitionOf(context.task), offset: context.source?.offset ?? -1 }
  return { source, pipeline: context.pipeline, chunks: [], dirty: false }
}

/** Undefined when nothing has to be done. */
function changeBetween(
  { held, isKnown }: Before,
  after: readonly WantedPoint[],
  isTombstone: boolean,
): DocumentChange | undefined {
  const upserts: WantedPoint[] = []
  const payloads: WantedPoint[] = []
  const vanished = new Set(held.keys())
  for (const point of after) {
    const payloadHash = held.get(point.id)
    vanished.delete(point.id)
    if (payloadHash === undefined) upserts.push(point)
    else if (payloadHash !== point.chunk.payloadHash) payloads.push(point)
  }
  const changes = upserts.length + vanished.size
  if (changes + payloads.length === 0) return undefined
  return {
    kind: isTombstone ? 'deleted' : !isKnown ? 'new' : changes > 0 ? 'changed' : 'metadata-only',
    upserts: upserts.map(({ id, meaning, payload }) => ({ id, meaning, payload })),
    payloads: payloads.map(({ id, payload }) => ({ id, payload })),
    deletes: [...vanished],
    reused: after.length - upserts.length - payloads.length,
  }
}
