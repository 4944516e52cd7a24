/**
 * Travels in the metadata of a committed offset and tells the next owner of the partition what may lie beyond it.
 *
 * - `open`: the owner may have sent more to the index, and requests may still be on their way: wait for the lease, then look at the
 *   index.
 * - `quiet`: nothing is on its way, but the owner itself was still recovering: look at the index.
 * - `clean`: nothing beyond this offset was ever sent to the index.
 */
export type RecoveryMark = 'open' | 'quiet' | 'clean'

const format = /^millrace\/1 (open|quiet|clean)(?: (\d{1,16}))?(?: @(\d{1,16}))?$/

/**
 * With the epoch of the owner, where its index asks for one, and the largest timestamp of the partition up to the offset, where it has one
 * that can be read back: a log may hold any number.
 */
export function encodeMark(mark: RecoveryMark, epoch?: number, time = -1): string {
  const hasTime = time >= 0 && Number.isSafeInteger(time)
  return `millrace/1 ${mark}${epoch === undefined ? '' : ` ${epoch}`}${hasTime ? ` @${time}` : ''}`
}

/** What is no mark of a format that we know counts as open: looking once too often costs little. */
export function decodeMark(metadata: string): RecoveryMark {
  const mark = format.exec(metadata)?.[1]
  return mark === 'quiet' || mark === 'clean' ? mark : 'open'
}

/** 0 when there is none. */
export function decodeEpoch(metadata: string): number {
  const epoch = Number(format.exec(metadata)?.[2] ?? 0)
  return epoch < Number.MAX_SAFE_INTEGER ? epoch : 0
}

/** The time of the partition, milliseconds; -1 when there is none. */
export function decodeTime(metadata: string): number {
  const time = Number(format.exec(metadata)?.[3] ?? -1)
  return time < Number.MAX_SAFE_INTEGER ? time : -1
}

/**
 * The epoch of an owner: larger than those of the owners before, which it has read from their marks. The clock counts where a mark was
 * lost. See docs/design/0006-epoch-fence.md.
 */
export function nextEpoch(before: readonly number[], nowMs: number): number {
  return Math.max(Math.floor(nowMs), ...before.map((epoch) => epoch + 1))
}
