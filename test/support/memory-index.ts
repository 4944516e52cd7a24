import type { DocumentKey, IndexOp } from '../../src/model.ts'
import type { SinkWriter, VectorIndex } from '../../src/topology/processor.ts'
import { ModelIndex } from './model-index.ts'

/** An index in memory that a pipeline can end in: a perfect one, without vectors. */
export class MemoryIndex extends ModelIndex {
  override writer(): SinkWriter<DocumentKey, readonly IndexOp[]> {
    return {
      write: async ({ value }) => {
        for (const operation of value ?? []) this.#take(operation)
      },
      flush: () => undefined,
      close: async () => undefined,
    }
  }

  reader(): VectorIndex {
    const reader = new ModelIndex()
    return Object.assign(reader, { points: this.points })
  }

  #take(operation: IndexOp): void {
    const change = { kind: 'changed', upserts: [], payloads: [], deletes: [], reused: 0 } as const
    if (operation.kind === 'upsert') {
      this.apply({ ...change, upserts: operation.points })
      this.stats.pointsWritten += operation.points.length
    } else if (operation.kind === 'set-payload') {
      this.apply({ ...change, payloads: operation.updates })
      this.stats.payloadsWritten += operation.updates.length
    } else {
      this.apply({ ...change, deletes: operation.ids })
      this.stats.pointsDeleted += operation.ids.length
    }
  }
}
