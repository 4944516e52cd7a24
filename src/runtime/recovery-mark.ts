/**
 * What a committed offset says about the index beyond it. Travels in the offset's metadata; see docs/guarantees.md, "The mark".
 *
 * - `open`: the owner may have written to the index beyond this offset, and a request may still be under way.
 * - `clean`: nothing beyond this offset was ever sent to the index.
 */
export type RecoveryMark = 'open' | 'clean'

const format = 'millrace/1'

export function encodeMark(mark: RecoveryMark): string {
  return `${format} ${mark}`
}

/** Anything that is not a clean mark of a format that we know counts as open: looking once too often costs little. */
export function decodeMark(metadata: string): RecoveryMark {
  return metadata === encodeMark('clean') ? 'clean' : 'open'
}
