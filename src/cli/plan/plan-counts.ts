import type { ChunkedDocument, DocumentChange } from '../../model.ts'
import type { GivenUpEvent, NodeEvent, RuntimeObserver } from '../../runtime/observer.ts'
import type { Topology } from '../../topology/topology.ts'

const outcomes = { new: 'new', changed: 'changed', 'metadata-only': 'metadataOnly', deleted: 'deleted' } as const

/** Counts records, documents and chunks while a planned topology works. */
export class PlanCounts implements RuntimeObserver {
  records = 0
  readonly documents = { new: 0, changed: 0, metadataOnly: 0, unchanged: 0, deleted: 0 }
  /** Chunks that `diff` was given, and those of them that the index has already as they are. */
  readonly chunks = { cut: 0, reused: 0 }
  /** Records that would become dead letters, or be skipped, by error code. */
  readonly failures: Record<string, number> = {}
  readonly #operators: ReadonlyMap<string, string>
  readonly #onFinished: () => void

  /** Calls `onFinished` behind each record. */
  constructor({ nodes }: Topology, onFinished: () => void = () => undefined) {
    this.#onFinished = onFinished
    this.#operators = new Map(
      [...nodes].flatMap(([name, node]) => (node.kind === 'processor' ? [[name, node.supplier.operator]] : [])),
    )
  }

  finished(): void {
    this.records++
    this.#onFinished()
  }

  processed({ node, record, outputs }: NodeEvent): void {
    const operator = this.#operators.get(node)
    if (operator === 'dedupe' && outputs.length === 0 && record.value !== null) this.documents.unchanged++
    if (operator !== 'diff') return
    const cut = record.value === null ? 0 : (record.value as ChunkedDocument).chunks.length
    this.chunks.cut += cut
    if (outputs.length > 0) {
      for (const { value } of outputs) if (value !== null) this.#changed(value as DocumentChange)
    } else if (record.value !== null) {
      this.documents.unchanged++
      this.chunks.reused += cut
    }
  }

  givenUp({ error }: GivenUpEvent): void {
    this.failures[error.code] = (this.failures[error.code] ?? 0) + 1
  }

  #changed({ kind, reused }: DocumentChange): void {
    this.documents[outcomes[kind]]++
    this.chunks.reused += reused
  }
}
