import { describe, expect, test } from 'vitest'
import { firstTimestamp } from '../../chaos/delivery.ts'
import type { IndexWrite } from '../../chaos/index-watch.ts'
import { type OrderFacts, regressionsOf } from '../../chaos/order.ts'

const topic = 'documents'

/** Version `place` of document `doc`, written by process `by` to partition 0. */
function write(at: number, by: string, place: number, doc = 'guide'): IndexWrite {
  const counts = { upserts: 1, payloads: 0, deletes: 0, fault: undefined }
  return { at, by, doc, partition: 0, version: firstTimestamp + place, ...counts }
}

const commit = (at: number, offset: number) => ({ at, topic, partition: 0, offset, metadata: '' })

/** Version `n` lies at offset `n`; the first ones may have been sent again. */
function versions(sentAgain = 0): OrderFacts['positions'] {
  return Array.from({ length: 20 }, (_, offset) => ({
    partition: 0,
    offset,
    ...(offset < sentAgain && { sentAgainUpTo: firstTimestamp + sentAgain - 1 }),
  }))
}

/** Version `n` lies at offset `n`; the generations of the group begin at 0 and 100. */
function breaksOf(facts: Partial<OrderFacts> & { readonly commits?: readonly ReturnType<typeof commit>[] }) {
  const { commits = [], writes = [], positions = versions() } = facts
  const log = { commits, generations: [0, 100] }
  return regressionsOf({ topic, positions, log, writes }).map(({ kinds, at, by }) => [kinds.join(), at, by])
}

describe('what counts as going back', () => {
  test('a commit that is lower than the one before', () => {
    expect(breaksOf({ commits: [commit(1, 5), commit(2, 5), commit(3, 4)] })).toEqual([['offset', 3, undefined]])
  })

  test('a version that is written after an offset beyond it was committed', () => {
    const writes = [write(1, 'a.1', 3), write(9, 'a.1', 3), write(11, 'a.1', 5)]

    expect(breaksOf({ writes, commits: [commit(8, 4), commit(10, 5)] })).toEqual([['settled', 9, 'a.1']])
  })

  test('an older version of a document after a newer one, from one process in one generation', () => {
    const writes = [write(1, 'a.1', 3), write(2, 'a.1', 1, 'other'), write(3, 'a.1', 2)]

    expect(breaksOf({ writes })).toEqual([['version', 3, 'a.1']])
  })

  test('a process that comes back to a partition while another one owns it', () => {
    const writes = [write(1, 'a.1', 1), write(101, 'b.1', 2), write(102, 'a.1', 3), write(103, 'b.1', 4)]

    expect(breaksOf({ writes })).toEqual([['owners', 102, undefined]])
  })
})

describe('what does not count', () => {
  test('a replay by the next owner, and by the same process in the next generation', () => {
    const writes = [write(1, 'a.1', 3), write(101, 'a.1', 2), write(102, 'a.1', 3)]
    const others = [write(1, 'a.1', 3, 'other'), write(101, 'b.1', 2, 'other')]

    expect(breaksOf({ writes, commits: [commit(2, 2)] })).toEqual([])
    expect(breaksOf({ writes: others, commits: [commit(2, 2)] })).toEqual([])
  })

  test('versions that a producer has sent again, because it did not hear that they are in the log', () => {
    const again = [write(1, 'a.1', 2), write(2, 'a.1', 3), write(3, 'a.1', 2), write(4, 'a.1', 3)]
    const beyond = [write(1, 'a.1', 4), write(2, 'a.1', 3)]

    expect(breaksOf({ writes: again, positions: versions(4) })).toEqual([])
    expect(breaksOf({ writes: beyond, positions: versions(4) })).toEqual([['version', 2, 'a.1']])
  })

  test('a last request of the owner before, ahead of the first one of the new owner', () => {
    const writes = [write(1, 'a.1', 1), write(101, 'a.1', 2), write(102, 'b.1', 3), write(103, 'b.1', 4)]

    expect(breaksOf({ writes })).toEqual([])
  })
})
