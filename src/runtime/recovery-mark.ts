/**
 * Travels in the metadata of a committed offset and tells the next owner of the partition what may lie beyond it.
 *
 * - `open`: the owner may have sent more to the index, and requests may still be on their way: wait for the lease, then look at the
 *   index.
 * - `quiet`: nothing is on its way, but the owner itself was still recovering: look at the index.
 * - `clean`: nothing beyond this offset was ever sent to the index.
 */
export type RecoveryMark = 'open' | 'quiet' | 'clean'

const format = 'millrace/1'

export function encodeMark(mark: RecoveryMark): string {
  return `${format} ${mark}`
}

/** What is no mark of a format that we know counts as open: looking once too often costs little. */
export function decodeMark(metadata: string): RecoveryMark {
  return (['quiet', 'clean'] as const).find((mark) => metadata === encodeMark(mark)) ?? 'open'
}
