import { type ErrorCode, isStreamError, reasonOf, StreamError } from '../../../errors.ts'

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that say more than "this is a defect". */
const codes = new Map<number, ErrorCode>([
  [3, 'STATE_IO'], // PERM
  [5, 'INDEX_UNREACHABLE'], // BUSY: another process holds the write lock
  [6, 'INDEX_UNREACHABLE'], // LOCKED
  [8, 'STATE_IO'], // READONLY
  [10, 'STATE_IO'], // IOERR
  [11, 'INDEX_CORRUPT'], // CORRUPT
  [13, 'INDEX_FULL'], // FULL
  [14, 'STATE_IO'], // CANTOPEN
  [18, 'INDEX_REJECTED'], // TOOBIG
  [19, 'INDEX_REJECTED'], // CONSTRAINT
  [20, 'INDEX_REJECTED'], // MISMATCH
  [26, 'INDEX_CORRUPT'], // NOTADB
])

const fixes = new Map<ErrorCode, string>([
  ['INDEX_UNREACHABLE', 'Stop the other process that writes to this file.'],
  ['INDEX_FULL', 'Free space on the disk of the file.'],
])

/** What an error of SQLite means for the index in `path`. */
export function fromSqlite(error: unknown, path: string): StreamError {
  if (isStreamError(error)) return error
  const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  // The low byte is the primary code; the rest only tells where it came from.
  const code = codes.get(errcode & 0xff) ?? 'ILLEGAL_STATE'
  const fix = fixes.get(code)
  return new StreamError(code, `SQLite refuses ${path}: ${reasonOf(error)}`, { cause: error, ...(fix && { fix }) })
}
