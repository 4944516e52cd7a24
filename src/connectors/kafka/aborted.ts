import type { AbortedTransaction, FetchedRecord } from './internals.ts'

const abortMarker = 0

/**
 * `messages` without the records of aborted transactions, as the Java consumer filters them (`CompletedFetch`).
 *
 * The broker names the aborted transactions that overlap the fetched range: producer and first offset, in the order in which they were
 * aborted. A producer's records are dropped from the first offset of such a transaction up to its abort marker, a control record. Control
 * records themselves stay: the position of the reader comes from them.
 */
export function withoutAborted<
  Message extends Pick<FetchedRecord, 'offset' | 'key' | 'isControlRecord' | 'batchContext'>,
>(fetched: {
  readonly messages: readonly Message[]
  readonly abortedTransactions?: readonly AbortedTransaction[] | null
}): readonly Message[] {
  const { messages, abortedTransactions } = fetched
  if (!abortedTransactions?.length) return messages
  const upcoming = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .sort((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<string>()
  let started = 0
  return messages.filter((message) => {
    for (let next = upcoming[started]; next && next.firstOffset <= Number(message.offset); next = upcoming[started]) {
      aborting.add(next.producerId)
      started++
    }
    const { producerId, inTransaction } = message.batchContext
    if (message.isControlRecord) {
      if (isAbortMarker(message.key)) aborting.delete(producerId)
      return true
    }
    return !(inTransaction && aborting.has(producerId))
  })
}

/** The key of a control record: version (2 bytes), type (2 bytes): 0 abort, 1 commit. */
function isAbortMarker(key: Buffer | null): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === abortMarker
}
