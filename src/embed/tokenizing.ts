import { type Clock, stopwatch } from '../clock.ts'
import type { SharedWork } from '../topology/processor.ts'
import type { Sized } from './flights.ts'

/**
 * Begins to measure how long it takes to tokenize texts together: in another thread, with the way there and the wait for it. The call ends
 * it. Undefined where devices are given the texts themselves, and tokenize them.
 */
export function tokenizing(
  clock: Clock,
): (encodings: readonly { readonly ids: Sized | string }[]) => SharedWork | undefined {
  const startedAt = clock.now()
  const elapsedMs = stopwatch(clock)
  return (encodings) => {
    const endedAt = startedAt + elapsedMs()
    if (encodings.some(({ ids }) => typeof ids === 'string')) return undefined
    const tokens = encodings.reduce((sum, { ids }) => sum + ids.length, 0)
    return { step: 'tokenize', startedAt, endedAt, counts: { texts: encodings.length, tokens } }
  }
}
