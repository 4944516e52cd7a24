import type { DocumentKey, IndexOp } from '../../src/model.ts'
import type { SinkWriter } from '../../src/topology/processor.ts'
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

  #take(operation: IndexOp): void {
    const change = { kind: 'changed', upserts: [], payloads: [], deletes: [], reused: 0 } as const
    if (operation.kind === 'upsert') this.apply({ ...change, upserts: operation.points })
    else if (operation.kind === 'set-payload') this.apply({ ...change, payloads: operation.updates })
    else this.apply({ ...change, deletes: operation.ids })
  }
}
