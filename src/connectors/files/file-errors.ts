import { getSystemErrorMessage } from 'node:util'
import { reasonOf } from '../../errors.ts'

/** The code of an error of the file system: `ENOENT`, `EACCES` ... */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** Why a file could not be read, without its path: `permission denied`. */
export function errorReason(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : 0
  return errno < 0 ? getSystemErrorMessage(errno) : reasonOf(error)
}

/** The file is not there (any more). */
export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')
}
