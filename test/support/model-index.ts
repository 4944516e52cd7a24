import type { DocumentChange, DocumentKey, IndexOp, PointId, PointPayload, PointRef } from '../../src/model.ts'
import type { SinkWriter, StoredPoint, VectorIndex } from '../../src/topology/processor.ts'

interface ModelPoint {
  readonly payload: PointPayload
  readonly meaning: string
}

/** What a perfect index would hold: document changes are applied directly, without vectors. Counts how often it is looked at. */
export class ModelIndex implements VectorIndex {
  readonly name = 'model:index'
  readonly points = new Map<PointId, ModelPoint>()
  readonly stats = { writeRequests: 0, pointsWritten: 0, payloadsWritten: 0, pointsDeleted: 0 }
  observed = 0

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  apply(change: DocumentChange): void {
    for (const { id, meaning, payload } of change.upserts) this.points.set(id, { meaning, payload })
    for (const { id, payload } of change.payloads) {
      const known = this.points.get(id)
      if (!known) throw new Error(`a payload for the point ${id}, which does not exist`)
      this.points.set(id, { ...known, payload })
    }
    for (const id of change.deletes) this.points.delete(id)
  }

  async observe(keys: readonly DocumentKey[]): Promise<Map<DocumentKey, readonly PointRef[]>> {
    this.observed++
    const found = new Map<DocumentKey, readonly PointRef[]>()
    for (const key of keys) {
      const points = this.refs().filter(({ doc }) => doc === key)
      if (points.length > 0) found.set(key, points)
    }
    return found
  }

  refs(): PointRef[] {
    return [...this.points].map(([id, { payload }]) => {
      const { doc, partition, hash, payload: payloadHash, occurrence, pipeline } = payload._millrace
      return { id, doc, partition, hash, payloadHash, occurrence, pipeline }
    })
  }

  async *scan(): AsyncGenerator<StoredPoint> {
    for (const ref of this.refs()) {
      const point = this.points.get(ref.id)
      if (point) yield { ...ref, payload: point.payload }
    }
  }

  writer(): SinkWriter<DocumentKey, readonly IndexOp[]> {
    throw new Error('the model is written with apply()')
  }

  async search(): Promise<never> {
    throw new Error('the model has no vectors')
  }
}
