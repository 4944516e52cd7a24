import { timeBytes, writeTime } from '../time-bytes.ts'
import type { ByteRange } from './store.ts'

/**
 * Keys as text: one character a byte (Latin-1), so that `<` on strings is the unsigned order of the bytes. Maps find strings by
 * value, and an engine hashes and compares them far faster than it could byte arrays.
 */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

/** The bytes that `keyText` has made text of. */
export function bytesOfText(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** Eight bytes as text, in the order of the numbers from 0. */
export function timeText(timeMs: number): string {
  const bytes = Buffer.allocUnsafe(timeBytes)
  writeTime(bytes, timeMs)
  return keyText(bytes)
}

/** The smallest key that is greater than every key with this prefix; undefined when there is none (empty, or all bytes 255). */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  const last = prefix.findLastIndex((byte) => byte < 255)
  if (last < 0) return undefined
  // A copy: slice() of a Buffer would be a view of the caller's bytes.
  const after = new Uint8Array(prefix.subarray(0, last + 1))
  after[last] = (after[last] ?? 0) + 1
  return after
}

/** Whether the first of two key texts comes before the second one in an iteration. */
export function keyOrder(reverse: boolean): (first: string, second: string) => boolean {
  return reverse ? (first, second) => first > second : (first, second) => first < second
}

/** Bounds over key texts. At most one lower and one upper bound. */
export interface TextRange {
  readonly gte?: string
  readonly gt?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
}

export function textRange({ gte, gt, lt, lte, reverse }: ByteRange): TextRange {
  return {
    ...(gte && { gte: keyText(gte) }),
    ...(gt && { gt: keyText(gt) }),
    ...(lt && { lt: keyText(lt) }),
    ...(lte && { lte: keyText(lte) }),
    ...(reverse && { reverse }),
  }
}
