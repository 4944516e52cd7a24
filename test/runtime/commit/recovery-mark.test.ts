import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import {
  decodeEpoch,
  decodeMark,
  decodeTime,
  encodeMark,
  nextEpoch,
  type RecoveryMark,
} from '../../../src/runtime/commit/recovery-mark.ts'
import { finishing, plainTopologyTo, runningIn, topologyTo, until } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'

/** An instance that writes one record at a time, with what its predecessor has left: the mark, and records in the log. */
async function owner(mark: RecoveryMark, ...records: readonly string[]) {
  const writing = Promise.withResolvers<void>()
  const sink = new RecordingSink({ write: () => writing.promise })
  const group = await ScriptedGroup.open({ committed: { offset: 0, metadata: encodeMark(mark) } })
  await group.write(0, ...records)
  const instance = await runningIn(group, { topology: plainTopologyTo(sink), maxInFlightRecords: 1 })
  await until(group.clock, () => sink.written.length > 0)
  const close = async () => {
    await finishing(group.clock, instance.close())
    await group[Symbol.asyncDispose]()
  }
  return { writing, group, [Symbol.asyncDispose]: close }
}

describe('the mark of a commit', () => {
  test.each<RecoveryMark>(['open', 'quiet', 'clean'])('comes back from the metadata: %s', (mark) => {
    expect(decodeMark(encodeMark(mark))).toBe(mark)
  })

  test.each(['', 'millrace/2 clean', 'millrace/1 spotless', 'clean'])(
    'counts as open when nobody knows it: "%s"',
    (metadata) => {
      expect(decodeMark(metadata)).toBe('open')
    },
  )

  test.each([
    ['millrace/1 clean', 'clean', 0],
    ['millrace/1 clean 17', 'clean', 17],
    ['millrace/1 open 9007199254740992', 'open', 0],
    ['millrace/1 clean 1e3', 'open', 0],
    ['millrace/1 clean -1', 'open', 0],
    ['millrace/2 clean 17', 'open', 0],
    ['', 'open', 0],
  ] as const)('has an epoch only where a number is all that follows: "%s"', (metadata, mark, epoch) => {
    expect([decodeMark(metadata), decodeEpoch(metadata)]).toEqual([mark, epoch])
  })

  test.each([1.7e18, 1e300, 12.5, Number.NaN])('comes back without a time that is none: %s', (time) => {
    const metadata = encodeMark('clean', 17, time)

    expect([decodeMark(metadata), decodeEpoch(metadata), decodeTime(metadata)]).toEqual(['clean', 17, -1])
  })

  test.each([
    [encodeMark('clean', undefined, 0), 0],
    [encodeMark('open', 17, 1_700_000_000_000), 1_700_000_000_000],
    [encodeMark('quiet', 17), -1],
    ['millrace/1 clean @9007199254740992', -1],
    ['millrace/1 clean @-1', -1],
    ['', -1],
  ])('has the time of the partition behind an @: "%s"', (metadata, time) => {
    expect(decodeTime(metadata)).toBe(time)
  })

  test('an epoch and a time do not get in the way of each other', () => {
    const metadata = encodeMark('quiet', 17, 5)

    expect([decodeMark(metadata), decodeEpoch(metadata), decodeTime(metadata)]).toEqual(['quiet', 17, 5])
  })

  test('says `open` as long as the owner is at work', async () => {
    await using own = await owner('clean', 'one')
    const { group, writing } = own

    writing.resolve()
    await until(group.clock, () => group.committed()?.offset === 1)

    expect(group.committed()?.metadata).toBe('millrace/1 open @1')
  })

  test.each<RecoveryMark>(['clean', 'quiet', 'open'])(
    'says `clean` at a hand-over with nothing left, once the end of the log was reached; the predecessor left it %s',
    async (left) => {
      await using own = await owner(left, 'one')
      const { group, writing } = own
      writing.resolve()
      await until(group.clock, () => group.committed()?.offset === 1)

      await finishing(group.clock, group.revoke())

      expect(group.committed()).toMatchObject({ offset: 1, metadata: 'millrace/1 clean @1' })
    },
  )

  test('says `quiet` at a hand-over with nothing under way, when the owner was still recovering itself', async () => {
    await using own = await owner('open', 'one', 'two')
    const { group, writing } = own

    const revoking = group.revoke()
    writing.resolve()
    await finishing(group.clock, revoking)

    expect(group.committed()).toMatchObject({ offset: 1, metadata: 'millrace/1 quiet @1' })
  })

  test('stays `open` at a hand-over that ends before its requests do', async () => {
    await using own = await owner('clean', 'one')
    const { group } = own

    await finishing(group.clock, group.revoke({ inMs: 5_000 }))

    expect(group.committed()).toMatchObject({ offset: 0, metadata: 'millrace/1 open' })
  })

  test.each([
    ['millrace/1 clean', false],
    ['millrace/1 quiet', true],
    ['millrace/1 open', true],
    ['of another program', true],
  ])('tells the next owner whether to look at the index: "%s"', async (metadata, looks) => {
    const recovering: boolean[] = []
    await using group = await ScriptedGroup.open({ committed: { offset: 0, metadata } })
    await group.write(0, 'one')
    const topology = topologyTo(new RecordingSink(), (stream) =>
      stream.process<string, string>({
        name: 'looks',
        operator: 'test',
        create: () => ({ process: (_, context) => void recovering.push(context.recovering) }),
      }),
    )

    await using _instance = await runningIn(group, { topology })
    await until(group.clock, () => recovering.length > 0)

    expect(recovering).toEqual([looks])
  })
})

describe('the epoch of an owner', () => {
  /** An owner of both partitions of `in`, which starts at this time and gets one record; what it left, and its epochs. */
  async function ownerAt(clock: ManualClock, metadata: string, { fenced = true } = {}) {
    const group = await ScriptedGroup.open({ clock, partitions: 2, committed: { offset: 0, metadata } })
    const marks: (string | undefined)[] = []
    const write = async () => void marks.push(group.committed(0)?.metadata)
    const sink = new RecordingSink({ fenced, write, requestTimeoutMs: 10 })
    await group.write(0, 'one')
    const instance = await runningIn(group, { topology: plainTopologyTo(sink) })
    await until(clock, () => group.committed(0)?.offset === 1)
    await finishing(clock, instance.close())
    const left = group.committed(0)?.metadata ?? ''
    await group[Symbol.asyncDispose]()
    return { left, epochs: sink.leases.map((lease) => lease?.epoch), before: marks[0] }
  }

  test('is committed before the first write, and said again at the hand-over', async () => {
    const { left, epochs, before } = await ownerAt(new ManualClock(5_000), 'millrace/1 clean')

    expect(epochs).toEqual([5_000, 5_000])
    expect([before, left]).toEqual(['millrace/1 open 5000', 'millrace/1 clean 5000 @1'])
  })

  test('is larger than that of the owner before, whatever the clock says', async () => {
    const first = await ownerAt(new ManualClock(5_000), '')
    const slow = await ownerAt(new ManualClock(1_000), first.left)
    const later = await ownerAt(new ManualClock(9_000), slow.left)

    expect([first, slow, later].map(({ epochs }) => epochs[0])).toEqual([5_000, 5_001, 9_000])
  })

  test('is nothing that an index without a fence hears of, or its marks tell', async () => {
    const { left, epochs } = await ownerAt(new ManualClock(5_000), 'millrace/1 open 7000', { fenced: false })

    expect([left, epochs]).toEqual(['millrace/1 clean @1', [undefined, undefined]])
  })

  test('grows along any chain of owners, as long as one partition of the task has its mark', () => {
    const owners = fc.array(fc.record({ now: fc.nat(1_000), partitions: fc.integer({ min: 1, max: 3 }) }))

    fc.assert(
      fc.property(owners, (chain) => {
        let marks = ['']
        const epochs = chain.map(({ now, partitions }) => {
          const epoch = nextEpoch(marks.map(decodeEpoch), now)
          // One partition of a task may be younger than the others.
          marks = Array.from({ length: partitions }, (_, at) => (at === 0 ? encodeMark('open', epoch) : ''))
          return epoch
        })
        expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b))
      }),
    )
  })
})
