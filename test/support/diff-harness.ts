import type { Chunk, ChunkedDocument, DocumentChange, Manifest, Metadata } from '../../src/model.ts'
import { diff } from '../../src/operators/diff.ts'
import type { StreamRecord } from '../../src/record.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import type { Processor } from '../../src/topology/processor.ts'
import { FakeContext, recordOf } from './fake-context.ts'
import { ModelIndex } from './model-index.ts'

/** A `diff` over an index in memory, fed by hand. */
export class DiffHarness {
  readonly index: ModelIndex
  readonly context: FakeContext<string, DocumentChange>
  readonly processor: Processor<string, ChunkedDocument, string, DocumentChange>

  /** A fresh processor with an empty store; the index stays what it is, if it is handed in. */
  constructor(index = new ModelIndex()) {
    const supplier = diff('changes', { against: index })
    this.index = index
    this.context = new FakeContext(supplier.stores)
    this.processor = supplier.create()
  }

  get contents(): string[] {
    return [...this.index.points.values()].map(({ payload }) => payload.content).sort()
  }

  /** Processes one version without applying the change. */
  async emit(record: StreamRecord<string, ChunkedDocument>): Promise<DocumentChange | undefined> {
    await this.processor.process(record, this.context)
    const [first, ...others] = this.context.take()
    if (others.length > 0 || (first && first.key !== record.key)) throw new Error('one record became something else')
    return first?.value ?? undefined
  }

  /** Processes one version and applies the change to the index. */
  async send(key: string, document: ChunkedDocument | null): Promise<DocumentChange | undefined> {
    const change = await this.emit(recordOf(key, document))
    if (change) this.index.apply(change)
    return change
  }

  manifestOf(key: string): Manifest | undefined {
    return this.context.store<KeyValueStore<string, Manifest>>('changes').get(key)
  }
}

export const chunkOf = (text: string, heading = ''): Chunk => ({
  text,
  heading,
  meaning: heading === '' ? text : `${heading}\n${text}`,
})

export const documentOf = (texts: readonly string[], metadata: Metadata = {}): ChunkedDocument => ({
  chunks: texts.map((text) => chunkOf(text)),
  metadata,
})

export const sizes = (change: DocumentChange | undefined) =>
  change && {
    kind: change.kind,
    upserts: change.upserts.length,
    payloads: change.payloads.length,
    deletes: change.deletes.length,
    reused: change.reused,
  }
