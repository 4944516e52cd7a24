import { dirname } from 'node:path'
import { type Clock, systemClock } from '../../clock.ts'
import { isStreamError, reasonOf, StreamError } from '../../errors.ts'
import type { DocumentKey, Hit, IndexOp, PointRef } from '../../model.ts'
import type { StreamRecord } from '../../record.ts'
import { requireShape } from '../../shapes.ts'
import { makeFolder } from '../../state/make-folder.ts'
import type {
  IndexReport,
  IndexStats,
  Pipeline,
  ScanOptions,
  SearchOptions,
  SearchQuery,
  SinkWriter,
  StoredPoint,
  VectorIndex,
} from '../../topology/processor.ts'
import { type PackedRecord, packRecord, unitVector, unpackPoint } from './sqlite/packing.ts'
import { DatabaseThread } from './sqlite/thread.ts'
import { WriteQueue } from './sqlite/write-queue.ts'

export interface SqliteIndexOptions {
  /** The file, or `:memory:` for an index that ends with the process. Missing folders are created. Default `millrace-index.db`. */
  readonly path?: string
  /** Only look: another process may be writing at the same time. Default false. */
  readonly readOnly?: boolean
  /** How long a transaction waits for another process that is writing. Milliseconds, default 5,000. */
  readonly busyTimeoutMs?: number
  readonly clock?: Clock
}

/**
 * An index in one SQLite file: exact vector search (sqlite-vec), full-text search (FTS5), and both joined by reciprocal rank fusion.
 * Needs no server; good for about 200,000 chunks, beyond that use Qdrant.
 *
 * Writes are transactions: a document changes as a whole, and an acknowledged change survives a crash and a power cut. The database
 * lives in a thread of its own. Several processes may read the file while one writes.
 *
 * `open` fails with INDEX_MISMATCH (other dimensions, not our file), STATE_FORMAT (written by a newer version), INDEX_CORRUPT,
 * INDEX_MISSING (`readOnly`, no file).
 *
 * @example
 * const index = sqliteIndex({ path: '.millrace/index.db' })
 * builder.stream(...).process(...).to('index', index)
 */
export function sqliteIndex(options: SqliteIndexOptions = {}): VectorIndex {
  return new SqliteIndex(options)
}

/** Enough to meet the points of an earlier pipeline, where it has left any. */
const inspectedPoints = 1_000

interface Session {
  readonly thread: DatabaseThread
  readonly queue: WriteQueue
  readonly dimensions: number
}

class SqliteIndex implements VectorIndex {
  readonly name: string
  readonly #path: string
  readonly #readOnly: boolean
  readonly #busyTimeoutMs: number
  readonly #clock: Clock
  #session: Session | undefined
  #stats = noStats()

  constructor({ path = 'millrace-index.db', readOnly = false, busyTimeoutMs = 5_000, clock }: SqliteIndexOptions) {
    this.name = `sqlite:${path}`
    this.#path = path
    this.#readOnly = readOnly
    this.#busyTimeoutMs = busyTimeoutMs
    this.#clock = clock ?? systemClock
  }

  get stats(): IndexStats {
    return { ...this.#stats }
  }

  async open(pipeline: Pipeline): Promise<void> {
    if (this.#session) throw new StreamError('ILLEGAL_STATE', `the index ${this.name} is open already`)
    // Without dimensions nothing can be created.
    if (!this.#readOnly && pipeline.dimensions !== undefined) await folderFor(this.#path)
    const thread = new DatabaseThread(this.name, this.#clock)
    try {
      const { dimensions } = await thread.call('open', {
        path: this.#path,
        readOnly: this.#readOnly,
        dimensions: pipeline.dimensions,
        pipeline: pipeline.id,
        busyTimeoutMs: this.#busyTimeoutMs,
      })
      const queue = new WriteQueue((batch) => {
        this.#stats.writeRequests++
        return thread.call('apply', batch, [batch.vectors.buffer as ArrayBuffer])
      }, this.#clock)
      this.#session = { thread, queue, dimensions }
      this.#stats = noStats()
    } catch (error) {
      await thread.close()
      throw error
    }
  }

  async inspect({ dimensions }: Pick<Pipeline, 'dimensions'>): Promise<IndexReport> {
    const reader = this.reader()
    try {
      await reader.open({ id: '', dimensions })
    } catch (error) {
      if (isStreamError(error) && error.code === 'INDEX_MISSING') return { exists: false, missing: [], pipelines: [] }
      throw error
    }
    try {
      return { exists: true, missing: [], pipelines: await pipelinesOf(reader.scan()) }
    } finally {
      await reader.close()
    }
  }

  reader(): SqliteIndex {
    return new SqliteIndex({
      path: this.#path,
      readOnly: true,
      busyTimeoutMs: this.#busyTimeoutMs,
      clock: this.#clock,
    })
  }

  writer(): SinkWriter<DocumentKey, readonly IndexOp[]> {
    if (this.#readOnly) throw new StreamError('ILLEGAL_STATE', `the index ${this.name} was opened for reading only`)
    const writer = { closed: false }
    return {
      write: async (record, signal) => {
        if (writer.closed) throw this.#closedError()
        await this.#write(writer, record, signal)
      },
      // Nothing ever waits for company: a transaction begins as soon as the one before has ended.
      flush: () => undefined,
      close: async () => {
        writer.closed = true
        await this.#session?.queue.release(writer, this.#closedError())
      },
    }
  }

  async #write(
    owner: object,
    { value }: StreamRecord<DocumentKey, readonly IndexOp[]>,
    signal: AbortSignal,
  ): Promise<void> {
    const { queue, dimensions } = this.#opened()
    requireShape(`the index ${this.name}`, value, 'operations of an index')
    const record = packRecord(value ?? [], dimensions)
    if (record.points + record.payloads + record.deletes === 0) return
    await queue.write(owner, record, signal)
    this.#count(record)
  }

  #count({ points, payloads, deletes }: PackedRecord): void {
    this.#stats.pointsWritten += points
    this.#stats.payloadsWritten += payloads
    this.#stats.pointsDeleted += deletes
  }

  async observe(keys: readonly DocumentKey[], signal?: AbortSignal): Promise<Map<DocumentKey, readonly PointRef[]>> {
    const { thread } = this.#opened()
    signal?.throwIfAborted()
    const refs = await thread.call('observe', keys)
    return Map.groupBy(refs, ({ doc }) => doc)
  }

  async *scan({ partition, signal }: ScanOptions = {}): AsyncGenerator<StoredPoint> {
    const { thread } = this.#opened()
    let after = 0
    while (true) {
      const page = await thread.call('scan', { after, partition })
      if (page.length === 0) return
      for (const stored of page) {
        signal?.throwIfAborted()
        after = stored.row
        yield unpackPoint(stored)
      }
    }
  }

  async search({ text, vector }: SearchQuery, options: SearchOptions = {}): Promise<readonly Hit[]> {
    const { thread, dimensions } = this.#opened()
    const { limit = 10, mode = 'hybrid' } = options
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new StreamError('USAGE', `a search cannot have ${limit} hits`, { fix: 'Ask for one or more.' })
    if (mode !== 'text' && !vector)
      throw new StreamError('USAGE', `a ${mode} search needs the vector of its text`, {
        fix: 'Embed the text, or search with mode "text".',
      })
    const direction = vector && unitVector(vector, dimensions, 'the query')
    const found = await thread.call('search', { mode, limit, text, vector: direction })
    return found.map((row) => ({ id: row.id, score: row.score, payload: unpackPoint(row).payload }))
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    session?.queue.close(this.#closedError())
    await session?.thread.close()
  }

  #opened(): Session {
    if (!this.#session) throw this.#closedError()
    return this.#session
  }

  #closedError(): StreamError {
    return new StreamError('INDEX_CLOSED', `the index ${this.name} is not open`)
  }
}

/** Of the first page, which is at hand. */
async function pipelinesOf(points: AsyncIterable<StoredPoint>): Promise<readonly string[]> {
  const found = new Set<string>()
  let count = 0
  for await (const { pipeline } of points) {
    found.add(pipeline)
    count++
    if (count === inspectedPoints) break
  }
  return [...found]
}

async function folderFor(path: string): Promise<void> {
  if (path === ':memory:') return
  try {
    await makeFolder(dirname(path))
  } catch (error) {
    throw new StreamError('STATE_IO', `the folder of ${path} cannot be made: ${reasonOf(error)}`, { cause: error })
  }
}

function noStats() {
  return { writeRequests: 0, pointsWritten: 0, payloadsWritten: 0, pointsDeleted: 0 }
}
