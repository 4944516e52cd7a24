const wordRange = 2 ** 32

/** How many bytes a time takes. */
export const timeBytes = 8

/**
 * Writes milliseconds since the epoch as eight bytes, big-endian and signed, as Java writes a `long`; returns the position after them.
 * Throws RangeError for what is no whole number.
 */
export function writeTime(target: Buffer, timeMs: number, position = 0): number {
  if (!Number.isSafeInteger(timeMs)) throw new RangeError(`${timeMs} is no time in whole milliseconds`)
  // Two words, because a BigInt for each record is garbage.
  const high = Math.floor(timeMs / wordRange)
  return target.writeUInt32BE(timeMs - high * wordRange, target.writeInt32BE(high, position))
}

/** What `writeTime` has written. Exact up to 2^53. */
export function readTime(source: Uint8Array, position = 0): number {
  const view = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  return view.readInt32BE(position) * wordRange + view.readUInt32BE(position + 4)
}
