import { hash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Clock } from '../../clock.ts'
import { errorReason, isGone } from './file-errors.ts'

/** Where git looks too: a zero byte among the first 8 KiB makes a file binary. */
const sniffedBytes = 8_192
const maxAttempts = 3
/** File systems keep times in steps of up to two seconds: a file as young as that may change once more without showing it. */
const settlingMs = 2_000

/** Identifies a version of a file without reading it. The empty stamp fits no file: it has to be read again. */
export type Stamp = string

/** Why a file is refused whatever its size. */
export const binaryReason = 'the file is binary'

const unsettled: Stamp = ''

export type ReadResult =
  | {
      readonly kind: 'text'
      readonly stamp: Stamp
      /** The file did not change while it was read. */
      readonly steady: boolean
      readonly hash: string
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'refused'; readonly stamp: Stamp; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'gone' }

/** Size and times. The time of change catches a file that was replaced by another one of the same size and modification time. */
export function stampOf({ size, mtimeMs, ctimeMs }: Stats): Stamp {
  return `${size} ${mtimeMs} ${ctimeMs}`
}

export function tooLarge(size: number, maxFileBytes: number): string {
  return `${size} bytes are more than maxFileBytes (${maxFileBytes})`
}

export interface ReadOptions {
  readonly maxFileBytes: number
  readonly clock: Clock
}

/** Reads a whole text file. A file that keeps changing under our eyes is returned as it was seen last, with the empty stamp. */
export async function readTextFile(path: string, options: ReadOptions): Promise<ReadResult> {
  try {
    await using file = await open(path, 'r')
    for (let attempt = 1; ; attempt++) {
      const result = await readOnce(file, options)
      if (result.kind !== 'text' || result.steady || attempt === maxAttempts) return result
    }
  } catch (error) {
    return isGone(error) ? { kind: 'gone' } : { kind: 'unreadable', reason: errorReason(error) }
  }
}

async function readOnce(file: FileHandle, { maxFileBytes, clock }: ReadOptions): Promise<ReadResult> {
  const before = await file.stat()
  if (!before.isFile()) return { kind: 'gone' }
  const refused = (reason: string): ReadResult => ({ kind: 'refused', stamp: stampOf(before), reason })
  if (before.size > maxFileBytes) return refused(tooLarge(before.size, maxFileBytes))
  const bytes = await readBytes(file, before.size)
  if (bytes.subarray(0, sniffedBytes).includes(0)) return refused(binaryReason)
  const after = await file.stat()
  const steady = stampOf(before) === stampOf(after) && bytes.byteLength === before.size
  const stamp = steady && isSettled(after, clock) ? stampOf(after) : unsettled
  return { kind: 'text', stamp, steady, hash: hash('sha256', bytes).slice(0, 32), bytes }
}

/** From the start, `size` bytes or up to the end: a file that grows meanwhile cannot make us read for ever. */
async function readBytes(file: FileHandle, size: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(size)
  let end = 0
  while (end < size) {
    const { bytesRead } = await file.read(buffer, end, size - end, end)
    if (bytesRead === 0) break
    end += bytesRead
  }
  return buffer.subarray(0, end)
}

function isSettled({ mtimeMs, ctimeMs }: Stats, clock: Clock): boolean {
  return clock.now() - Math.max(mtimeMs, ctimeMs) > settlingMs
}
