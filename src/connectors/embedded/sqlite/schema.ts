import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { getLoadablePath } from 'sqlite-vec'
import { StreamError } from '../../../errors.ts'
import { fromSqlite } from './errors.ts'
import type { OpenRequest } from './protocol.ts'
import { searchable } from './search.ts'

/** "Mill": tells our files from those of other programs (PRAGMA application_id). */
const applicationId = 0x4d696c6c
/** Rises when an older version could not read what a newer one writes (PRAGMA user_version). */
const formatVersion = 2

/** Words are compared by their stem, in any case, with or without accents. */
const tokenizer = 'porter unicode61 remove_diacritics 2'

/**
 * `texts` is FTS5 without a copy of what it indexes (https://www.sqlite.org/fts5.html#contentless_delete_tables). The triggers keep it
 * equal to `points.meaning`, in the words of `searchable`.
 */
const textSchema = `
  CREATE VIRTUAL TABLE texts USING fts5 (meaning, content = '', contentless_delete = 1, tokenize = '${tokenizer}');
  CREATE VIRTUAL TABLE terms USING fts5vocab (texts, 'row');
  CREATE TRIGGER point_inserted AFTER INSERT ON points BEGIN
    INSERT INTO texts (rowid, meaning) VALUES (new.row, searchable(new.meaning));
  END;
  CREATE TRIGGER point_deleted AFTER DELETE ON points BEGIN
    DELETE FROM texts WHERE rowid = old.row;
    DELETE FROM vectors WHERE row = old.row;
  END;
  CREATE TRIGGER meaning_changed AFTER UPDATE OF meaning ON points WHEN old.meaning IS NOT new.meaning BEGIN
    UPDATE texts SET meaning = searchable(new.meaning) WHERE rowid = new.row;
  END;
`

/** Format 1 knew no words in scripts without spaces. */
const textMigration = `
  DROP TRIGGER point_inserted; DROP TRIGGER point_deleted; DROP TRIGGER meaning_changed;
  DROP TABLE terms; DROP TABLE texts;
  ${textSchema}
  INSERT INTO texts (rowid, meaning) SELECT row, searchable(meaning) FROM points;
`

/** The terms of a query as the tokenizer cuts them: the vocabulary of the index has stems. */
const querySchema = `
  PRAGMA temp_store = MEMORY;
  CREATE VIRTUAL TABLE temp.query USING fts5 (term, tokenize = '${tokenizer}');
  CREATE VIRTUAL TABLE temp.stems USING fts5vocab ('temp', 'query', 'instance');
`

/**
 * Vectors stand in a plain table and are compared by sqlite-vec's distance function. Its virtual table `vec0` is faster on a fresh
 * file (0.6x), but never uses the place of a deleted row again: under edits the file and every search grow for ever.
 */
const schema = `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE points (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    doc TEXT NOT NULL,
    partition INTEGER NOT NULL,
    hash TEXT NOT NULL,
    payload_hash TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    at INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    content TEXT NOT NULL,
    meaning TEXT NOT NULL
  ) STRICT;
  CREATE INDEX points_by_document ON points (doc);
  CREATE INDEX points_by_partition ON points (partition);
  CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
  ${textSchema}
`

export interface OpenedDatabase {
  readonly connection: DatabaseSync
  readonly dimensions: number
}

/**
 * Opens the file, verifies that it is ours and fits, and creates it when there is none. A file that is refused is left as it was; one of
 * an older format is brought to the present one, unless it is only read.
 *
 * Errors: INDEX_MISSING (read-only), INDEX_MISMATCH, INDEX_CORRUPT, STATE_FORMAT, STATE_IO.
 */
export function openDatabase(request: OpenRequest): OpenedDatabase {
  const connection = connect(request)
  try {
    connection.function('searchable', { deterministic: true }, (text) => searchable(String(text)))
    const dimensions = isEmpty(connection) ? create(connection, request) : verify(connection, request)
    prepareConnection(connection, request)
    return { connection, dimensions }
  } catch (error) {
    connection.close()
    throw fromSqlite(error, request.path)
  }
}

function connect({ path, readOnly, dimensions, busyTimeoutMs }: OpenRequest): DatabaseSync {
  // SQLite would leave an empty file behind.
  if (!existsSync(path)) mayCreate({ path, readOnly, dimensions })
  try {
    return new DatabaseSync(path, { readOnly, allowExtension: true, timeout: busyTimeoutMs })
  } catch (error) {
    throw fromSqlite(error, path)
  }
}

function mayCreate({ path, readOnly, dimensions }: Pick<OpenRequest, 'path' | 'readOnly' | 'dimensions'>): number {
  if (readOnly) throw new StreamError('INDEX_MISSING', `there is no index in ${path}`)
  if (dimensions !== undefined) return dimensions
  throw new StreamError('CONFIG_INVALID', `the size of the vectors for ${path} is not known`, {
    fix: 'Put a node that makes vectors before the index.',
  })
}

function pragma(connection: DatabaseSync, name: string): number {
  return Number(connection.prepare(`PRAGMA ${name}`).get()?.[name])
}

function isEmpty(connection: DatabaseSync): boolean {
  const objects = connection.prepare('SELECT count(*) AS count FROM sqlite_schema').get()
  return objects?.count === 0 && pragma(connection, 'application_id') === 0
}

function create(connection: DatabaseSync, request: OpenRequest): number {
  const dimensions = mayCreate(request)
  // Large pages hold ten vectors of 384 dimensions without waste, and a search reads fewer of them. Only an empty file can choose.
  connection.exec('PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
  connection.exec(`${schema} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}`)
  setFact(connection, 'dimensions', String(dimensions))
  setFact(connection, 'pipeline', request.pipeline)
  connection.exec('COMMIT')
  return dimensions
}

function verify(connection: DatabaseSync, { path, readOnly, dimensions, pipeline }: OpenRequest): number {
  if (pragma(connection, 'application_id') !== applicationId)
    throw new StreamError('INDEX_MISMATCH', `${path} is a database of another program`, { fix: 'Name another file.' })
  const format = pragma(connection, 'user_version')
  if (format > formatVersion)
    throw new StreamError('STATE_FORMAT', `${path} has format ${format}, this version reads up to ${formatVersion}`, {
      fix: 'Run the version that wrote it, or delete the file and index again.',
    })
  const stored = Number(fact(connection, 'dimensions'))
  if (dimensions !== undefined && dimensions !== stored)
    throw new StreamError(
      'INDEX_MISMATCH',
      `${path} holds vectors of ${stored} dimensions, the model makes ${dimensions}`,
      {
        fix: 'Use the model that it was made with, or another file, or delete the file and index again.',
      },
    )
  if (!readOnly && format < formatVersion) migrate(connection)
  // A restart with the same pipeline should not cost a write, and must not wait for another writer.
  if (!readOnly && fact(connection, 'pipeline') !== pipeline) setFact(connection, 'pipeline', pipeline)
  return stored
}

/** A file that is only read keeps its format: what it lacks is not found there. */
function migrate(connection: DatabaseSync): void {
  connection.exec('BEGIN IMMEDIATE')
  // Another process may have come first.
  if (pragma(connection, 'user_version') < formatVersion) {
    connection.exec(`${textMigration} PRAGMA user_version = ${formatVersion}`)
  }
  connection.exec('COMMIT')
}

function fact(connection: DatabaseSync, name: string): string {
  return String(connection.prepare('SELECT value FROM facts WHERE name = ?').get(name)?.value)
}

function setFact(connection: DatabaseSync, name: string, value: string): void {
  connection.prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)').run(name, value)
}

function prepareConnection(connection: DatabaseSync, { readOnly }: OpenRequest): void {
  connection.loadExtension(getLoadablePath())
  connection.enableLoadExtension(false)
  connection.exec(querySchema)
  // FULL: an acknowledged write survives a power cut too; state elsewhere may rely on it. It costs one fsync a transaction.
  if (!readOnly) connection.exec('PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864')
}
