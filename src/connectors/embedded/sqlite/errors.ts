import { type ErrorCode, isStreamError, reasonOf, StreamError } from '../../../errors.ts'

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that say more than "this is a defect". */
const codes = new Map<number, ErrorCode>([
  [3, 'STATE_IO'], // PERM
  [5, 'INDEX_UNREACHABLE'], // BUSY: another process holds the write lock
  [6, 'INDEX_UNREACHABLE'], // LOCKED
  [8, 'STATE_IO'], // READONLY
  [10, 'STATE_IO'], // IOERR
  [11, 'INDEX_CORRUPT'], // CORRUPT
  [13, 'STATE_IO'], // FULL: a disk of this machine, which does not empty itself
  [14, 'STATE_IO'], // CANTOPEN
  [18, 'INDEX_REJECTED'], // TOOBIG
  [19, 'INDEX_REJECTED'], // CONSTRAINT
  [20, 'INDEX_REJECTED'], // MISMATCH
  [26, 'INDEX_CORRUPT'], // NOTADB
])

const otherWriter = 'Stop the other process that writes to this file.'

/** By primary result code, where a better next step is known than the usual one of the error. */
const fixes = new Map<number, string>([
  [5, otherWriter],
  [6, otherWriter],
  [13, 'Free space on its disk and start again: what is done stays, the rest goes on from there.'],
])

/** What an error of SQLite means for the index in `path`. */
export function fromSqlite(error: unknown, path: string): StreamError {
  if (isStreamError(error)) return error
  const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  // The low byte is the primary code; the rest only tells where it came from.
  const primary = errcode & 0xff
  const code = codes.get(primary) ?? 'ILLEGAL_STATE'
  const fix = fixes.get(primary)
  return new StreamError(code, `SQLite refuses ${path}: ${reasonOf(error)}`, { cause: error, ...(fix && { fix }) })
}
