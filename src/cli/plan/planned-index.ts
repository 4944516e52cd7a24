import { isStreamError, StreamError } from '../../errors.ts'
import type { DocumentKey, Hit, IndexOp, PointRef } from '../../model.ts'
import type {
  IndexStats,
  Pipeline,
  ScanOptions,
  SinkWriter,
  StoredPoint,
  VectorIndex,
} from '../../topology/processor.ts'

/** What an index holds, and a count of what would be written to it. One that does not exist yet is empty. */
export class PlannedIndex implements VectorIndex {
  readonly name: string
  readonly stats = { writeRequests: 0, pointsWritten: 0, payloadsWritten: 0, pointsDeleted: 0 } satisfies IndexStats
  readonly #index: VectorIndex
  #reader: VectorIndex | undefined
  #isEmpty = true

  constructor(index: VectorIndex) {
    this.name = index.name
    this.#index = index
  }

  /** It held no point when it was opened. */
  get isEmpty(): boolean {
    return this.#isEmpty
  }

  async open(pipeline: Pipeline): Promise<void> {
    const reader = this.#index.reader?.()
    if (!reader)
      throw new StreamError(
        'USAGE',
        `${this.name} cannot be opened for reading only, so a run into it cannot be planned`,
      )
    try {
      await reader.open(pipeline)
      this.#reader = reader
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'INDEX_MISSING') throw error
    }
    this.#isEmpty = (await this.scan().next()).done === true
  }

  writer(): SinkWriter<DocumentKey, readonly IndexOp[]> {
    return {
      write: async ({ value }) => {
        for (const operation of value ?? []) this.#count(operation)
      },
      flush: () => undefined,
      close: async () => undefined,
    }
  }

  async observe(keys: readonly DocumentKey[], signal?: AbortSignal): Promise<Map<DocumentKey, readonly PointRef[]>> {
    return this.#reader ? this.#reader.observe(keys, signal) : new Map()
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<StoredPoint> {
    if (this.#reader) yield* this.#reader.scan(options)
  }

  async search(): Promise<readonly Hit[]> {
    return []
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    this.#reader = undefined
  }

  #count(operation: IndexOp): void {
    if (operation.kind === 'upsert') this.stats.pointsWritten += operation.points.length
    else if (operation.kind === 'set-payload') this.stats.payloadsWritten += operation.updates.length
    else this.stats.pointsDeleted += operation.ids.length
  }
}
