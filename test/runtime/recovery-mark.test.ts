import { describe, expect, test } from 'vitest'
import { decodeMark, encodeMark, type RecoveryMark } from '../../src/runtime/recovery-mark.ts'
import { finishing, plainTopologyTo, runningIn, topologyTo, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

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

  test('says `open` as long as the owner is at work', async () => {
    await using own = await owner('clean', 'one')
    const { group, writing } = own

    writing.resolve()
    await until(group.clock, () => group.committed()?.offset === 1)

    expect(group.committed()?.metadata).toBe('millrace/1 open')
  })

  test.each<RecoveryMark>(['clean', 'quiet', 'open'])(
    'says `clean` at a hand-over with nothing left, once the end of the log was reached; the predecessor left it %s',
    async (left) => {
      await using own = await owner(left, 'one')
      const { group, writing } = own
      writing.resolve()
      await until(group.clock, () => group.committed()?.offset === 1)

      await finishing(group.clock, group.revoke())

      expect(group.committed()).toMatchObject({ offset: 1, metadata: 'millrace/1 clean' })
    },
  )

  test('says `quiet` at a hand-over with nothing under way, when the owner was still recovering itself', async () => {
    await using own = await owner('open', 'one', 'two')
    const { group, writing } = own

    const revoking = group.revoke()
    writing.resolve()
    await finishing(group.clock, revoking)

    expect(group.committed()).toMatchObject({ offset: 1, metadata: 'millrace/1 quiet' })
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
