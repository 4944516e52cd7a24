import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { StreamError } from '../../../errors.ts'
import type { DocumentKey, PointRef } from '../../../model.ts'
import { fromSqlite } from './errors.ts'
import type {
  FoundRow,
  OpenRequest,
  PackedBatch,
  PackedOp,
  PackedPayload,
  PackedPoint,
  RecordOutcome,
  ScanRequest,
  SearchRequest,
  StoredRow,
} from './protocol.ts'
import { openDatabase } from './schema.ts'
import { anyOf, fuse, isBeginning, termsOf } from './search.ts'

const refColumns = 'id, doc, partition, hash, payload_hash AS payloadHash, occurrence, pipeline'
const storedColumns = `row, ${refColumns}, at, content, metadata`

const pageRows = 500
const pageCharacters = 1_000_000

/** How many of the best rows of each way hybrid search joins. */
const candidates = 100

/** Below this many passages, reading every list takes no time. */
const fewPassages = 1_000

interface KnownTerm {
  readonly term: string
  /** Passages that were deleted lately may count. */
  readonly passages: number
}

interface Ranked {
  readonly row: number
  readonly score: number
}

/** The tables of one index. Everything is synchronous: it lives in a thread of its own. */
export class Database {
  readonly #connection: DatabaseSync
  readonly #path: string
  readonly #dimensions: number
  readonly #statements: ReturnType<typeof prepareStatements>

  /** Opens or creates the file: see `openDatabase` for the errors. */
  constructor(request: OpenRequest) {
    const { connection, dimensions } = openDatabase(request)
    this.#connection = connection
    this.#path = request.path
    this.#dimensions = dimensions
    this.#statements = prepareStatements(connection)
  }

  get dimensions(): number {
    return this.#dimensions
  }

  /** Writes all records in one transaction. A record that is refused is rolled back alone. */
  apply({ records, vectors }: PackedBatch): readonly RecordOutcome[] {
    const nextVector = vectorReader(vectors, this.#dimensions)
    this.#connection.exec('BEGIN IMMEDIATE')
    try {
      const outcomes = records.map((operations) => this.#applyRecord(operations, nextVector))
      this.#connection.exec('COMMIT')
      return outcomes
    } catch (error) {
      // SQLite has rolled back by itself after some errors (disk full, I/O).
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK')
      throw fromSqlite(error, this.#path)
    }
  }

  #applyRecord(operations: readonly PackedOp[], nextVector: () => Uint8Array): RecordOutcome {
    // Taken before anything can fail: the next record's vectors must be found whatever happens to this one.
    const vectors = operations.flatMap((each) => (each.kind === 'upsert' ? each.points.map(nextVector) : []))
    this.#connection.exec('SAVEPOINT record')
    try {
      for (const operation of operations) this.#applyOperation(operation, vectors)
      this.#connection.exec('RELEASE record')
      return { kind: 'written' }
    } catch (error) {
      const known = fromSqlite(error, this.#path)
      if (known.code !== 'INDEX_REJECTED' && known.code !== 'INDEX_DRIFTED') throw error
      this.#connection.exec('ROLLBACK TO record; RELEASE record')
      return { kind: 'rejected', code: known.code, reason: known.fact }
    }
  }

  #applyOperation(operation: PackedOp, vectors: Uint8Array[]): void {
    switch (operation.kind) {
      case 'upsert':
        for (const point of operation.points) this.#upsert(point, vectors.shift())
        break
      case 'set-payload':
        for (const update of operation.updates) this.#setPayload(update)
        break
      case 'delete':
        for (const id of operation.ids) this.#statements.delete.run(id)
    }
  }

  #upsert(point: PackedPoint, vector: Uint8Array | undefined): void {
    const row = this.#statements.upsert.get(...payloadColumns(point), point.meaning)?.row
    this.#statements.setVector.run(row ?? null, vector ?? null)
  }

  #setPayload(update: PackedPayload): void {
    if (this.#statements.setPayload.run(...payloadColumns(update)).changes === 0)
      throw new StreamError('INDEX_DRIFTED', `the index has lost point ${update.id}`)
  }

  observe(keys: readonly DocumentKey[]): readonly PointRef[] {
    return keys.flatMap((key) => rows<PointRef>(this.#statements.observe, key))
  }

  /** One page: up to 500 rows or about a million characters, at least one row when there is one. */
  scan({ after, partition }: ScanRequest): readonly StoredRow[] {
    const page: StoredRow[] = []
    let characters = 0
    const found =
      partition === undefined
        ? this.#statements.scan.iterate(after, pageRows)
        : this.#statements.scanPartition.iterate(partition, after, pageRows)
    for (const row of found as Iterable<unknown> as Iterable<StoredRow>) {
      page.push(row)
      characters += row.content.length + row.metadata.length
      if (characters > pageCharacters) break
    }
    return page
  }

  search({ mode, limit, text, vector }: SearchRequest): readonly FoundRow[] {
    return this.#rank(mode, limit, text, vector).flatMap(({ row, score }) =>
      rows<StoredRow>(this.#statements.byRow, row).map((stored) => ({ ...stored, score })),
    )
  }

  #rank(mode: SearchRequest['mode'], limit: number, text: string, vector: Float32Array | undefined): readonly Ranked[] {
    if (mode === 'text') return this.#byText(text, limit)
    if (mode === 'vector') return this.#byVector(vector, limit)
    const depth = Math.max(limit, candidates)
    const lists = [this.#byVector(vector, depth), this.#byText(text, depth)]
    return fuse(
      lists.map((list) => list.map(({ row }) => row)),
      limit,
    )
  }

  #byText(text: string, limit: number): readonly Ranked[] {
    const terms = this.#known(termsOf(text))
    const passages = Number(this.#statements.count.get()?.count)
    // BM25 gives next to no weight to a word that is in more than half of all passages, yet reading its list takes longest.
    const telling = passages < fewPassages ? [] : terms.filter((term) => term.passages <= passages / 2)
    const found = telling.length > 0 ? this.#containing(telling, limit) : []
    return found.length > 0 || terms.length === 0 ? found : this.#containing(terms, limit)
  }

  #containing(terms: readonly KnownTerm[], limit: number): readonly Ranked[] {
    return rows<Ranked>(this.#statements.byText, anyOf(terms.map(({ term }) => term)), limit)
  }

  /** Those of the terms that are in the index, with about how many passages have them. */
  #known(terms: readonly string[]): readonly KnownTerm[] {
    this.#statements.forgetQuery.run()
    for (const [i, term] of terms.entries()) this.#statements.setTerm.run(i, term)
    const frequencies = rows<{ term: number; passages: number }>(this.#statements.frequencies)
    const passages = new Map(frequencies.map((each) => [each.term, each.passages]))
    return terms
      .map((term, i) => ({ term, passages: passages.get(i) ?? 0 }))
      .filter((each) => each.passages > 0 || isBeginning(each.term))
  }

  #byVector(vector: Float32Array | undefined, limit: number): readonly Ranked[] {
    if (vector === undefined) return []
    const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
    return rows<Ranked>(this.#statements.byVector, bytes, limit)
  }

  close(): void {
    this.#connection.close()
  }
}

function prepareStatements(connection: DatabaseSync) {
  const columns = 'id, doc, partition, hash, payload_hash, occurrence, pipeline, at, metadata, content'
  const assignments = (from: string) =>
    columns
      .split(', ')
      .filter((column) => column !== 'id')
      .map((column) => `${column} = ${from}.${column}`)
      .join(', ')
  return {
    upsert: connection.prepare(
      `INSERT INTO points (${columns}, meaning) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET ${assignments('excluded')}, meaning = excluded.meaning RETURNING row`,
    ),
    setVector: connection.prepare(
      'INSERT INTO vectors (row, vector) VALUES (?, ?) ON CONFLICT (row) DO UPDATE SET vector = excluded.vector',
    ),
    setPayload: connection.prepare(
      `WITH given (${columns}) AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
       UPDATE points SET ${assignments('given')} FROM given WHERE points.id = given.id`,
    ),
    delete: connection.prepare('DELETE FROM points WHERE id = ?'),
    observe: connection.prepare(`SELECT ${refColumns} FROM points WHERE doc = ? ORDER BY row`),
    scan: connection.prepare(`SELECT ${storedColumns} FROM points WHERE row > ? ORDER BY row LIMIT ?`),
    scanPartition: connection.prepare(
      `SELECT ${storedColumns} FROM points WHERE partition = ? AND row > ? ORDER BY row LIMIT ?`,
    ),
    byRow: connection.prepare(`SELECT ${storedColumns} FROM points WHERE row = ?`),
    count: connection.prepare('SELECT count(*) AS count FROM points'),
    forgetQuery: connection.prepare('DELETE FROM temp.query'),
    setTerm: connection.prepare('INSERT INTO temp.query (rowid, term) VALUES (?, ?)'),
    frequencies: connection.prepare(
      'SELECT stems.doc AS term, min(terms.doc) AS passages FROM temp.stems CROSS JOIN terms ON terms.term = stems.term GROUP BY stems.doc',
    ),
    byText: connection.prepare(
      'SELECT rowid AS row, -rank AS score FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?',
    ),
    // Vectors have unit length, so the square of their distance is 2 - 2 cos: the order is that of cosine, and l2 is the faster code.
    byVector: connection.prepare(
      `SELECT row, 1 - distance * distance / 2 AS score
       FROM (SELECT row, vec_distance_l2(vector, ?) AS distance FROM vectors ORDER BY distance, row LIMIT ?)`,
    ),
  }
}

function payloadColumns(point: PackedPayload): (string | number)[] {
  const { id, doc, partition, hash, payloadHash, occurrence, pipeline, at, metadata, content } = point
  return [id, doc, partition, hash, payloadHash, occurrence, pipeline, at, metadata, content]
}

/** The statement's own columns tell the shape of its rows; SQLite's types cannot. */
function rows<Row>(statement: StatementSync, ...values: (string | number | Uint8Array)[]): Row[] {
  return statement.all(...values) as unknown[] as Row[]
}

function vectorReader(vectors: Float32Array, dimensions: number): () => Uint8Array {
  const byteLength = dimensions * Float32Array.BYTES_PER_ELEMENT
  let position = vectors.byteOffset
  return () => {
    const bytes = new Uint8Array(vectors.buffer, position, byteLength)
    position += byteLength
    return bytes
  }
}
