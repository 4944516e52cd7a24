import type { MetricRegistry } from '../metric-registry.ts'
import type { ChunkedDocument, DocumentChange } from '../model.ts'
import type { NodeEvent } from '../runtime/observer.ts'
import type { WatchedNodes } from './watched-nodes.ts'

const outcomes = { new: 'new', changed: 'changed', 'metadata-only': 'metadata_only', deleted: 'deleted' } as const

/** Counts what became of documents and chunks, by watching the nodes that `dedupe` and `diff` have made. */
export class DocumentCounts {
  readonly #registry: MetricRegistry
  readonly #operators: ReadonlyMap<string, string>

  constructor(registry: MetricRegistry, { operators }: WatchedNodes) {
    this.#registry = registry
    this.#operators = operators
    if (![...operators.values()].includes('diff')) return
    for (const outcome of ['duplicate', 'unchanged', ...Object.values(outcomes)])
      registry.start('documents_total', { outcome })
    for (const outcome of ['added', 'reused', 'payload', 'deleted']) registry.start('chunks_total', { outcome })
    registry.start('embeddings_saved_total', { cause: 'diff' })
  }

  count({ node, record, outputs }: NodeEvent): void {
    const operator = this.#operators.get(node)
    if (operator === 'dedupe' && outputs.length === 0 && record.value !== null)
      this.#registry.add('documents_total', { outcome: 'duplicate' })
    if (operator !== 'diff') return
    if (outputs.length === 0 && record.value !== null) this.#unchanged(record.value as ChunkedDocument)
    for (const { value } of outputs) if (value !== null) this.#changed(value as DocumentChange)
  }

  #unchanged({ chunks }: ChunkedDocument): void {
    this.#registry.add('documents_total', { outcome: 'unchanged' })
    this.#kept(chunks.length)
  }

  #changed({ kind, upserts, payloads, deletes, reused }: DocumentChange): void {
    this.#registry.add('documents_total', { outcome: outcomes[kind] })
    this.#registry.add('chunks_total', { outcome: 'added' }, upserts.length)
    this.#registry.add('chunks_total', { outcome: 'payload' }, payloads.length)
    this.#registry.add('chunks_total', { outcome: 'deleted' }, deletes.length)
    this.#registry.add('embeddings_saved_total', { cause: 'diff' }, payloads.length)
    this.#kept(reused)
  }

  #kept(chunks: number): void {
    this.#registry.add('chunks_total', { outcome: 'reused' }, chunks)
    this.#registry.add('embeddings_saved_total', { cause: 'diff' }, chunks)
  }
}
