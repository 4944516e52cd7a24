import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { GroupMember } from '../../../src/runtime/broker.ts'
import { GroupLease } from '../../../src/runtime/commit/group-lease.ts'
import { instanceIn, plainTopologyTo, runningIn } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'

/** The lease of a member whose last heartbeat was sent at that time; without a time nobody has joined yet. */
function leaseSince(
  lastHeartbeatAt: number | undefined,
  clock = new ManualClock(100_000),
  rebalanceTimeoutMs = 60_000,
) {
  const member = lastHeartbeatAt === undefined ? undefined : ({ lastHeartbeatAt } as GroupMember)
  const times = { sessionTimeoutMs: 45_000, rebalanceTimeoutMs, requestTimeoutMs: 10_000 }
  return new GroupLease({ ...times, clock, member: () => member })
}

describe('the lease of an owner', () => {
  test('is held while a request still lands before the session can end', () => {
    const clock = new ManualClock(100_000)
    const lease = leaseSince(100_000, clock)

    const atFirst = lease.held
    clock.advance(34_999)
    const atTheLastMoment = lease.held
    clock.advance(1)

    expect([atFirst, atTheLastMoment, lease.held]).toEqual([true, true, false])
  })

  test('ends with the rebalance timeout when that is shorter: the group goes on without whoever does not join again', () => {
    const clock = new ManualClock(100_000)
    const lease = leaseSince(100_000, clock, 30_000)

    clock.advance(19_999)
    const atTheLastMoment = lease.held
    clock.advance(1)

    expect([atTheLastMoment, lease.held]).toEqual([true, false])
  })

  test('is not held before the group is joined', () => {
    expect(leaseSince(undefined).held).toBe(false)
  })

  test('is not held when the clock was turned back behind the last heartbeat', () => {
    expect(leaseSince(100_001).held).toBe(false)
  })

  test('goes to the writers of sinks, and ends while the group hears nothing', async () => {
    const sink = new RecordingSink({ requestTimeoutMs: 10_000 })
    await using group = await ScriptedGroup.open()
    await using _instance = await runningIn(group, { topology: plainTopologyTo(sink), sessionTimeoutMs: 45_000 })
    const [lease] = sink.leases

    const whileHeard = lease?.held
    group.silentSince = group.clock.now() - 35_000
    const whileUnheard = lease?.held
    group.silentSince = undefined

    expect([whileHeard, whileUnheard, lease?.held]).toEqual([true, false, true])
  })

  test('leaves time to write: a request may take half of the session at most', async () => {
    const sink = new RecordingSink({ requestTimeoutMs: 5_001 })
    await using group = await ScriptedGroup.open()
    const settings = { topology: plainTopologyTo(sink), sessionTimeoutMs: 10_000 }

    await expect(instanceIn(group, settings).start()).rejects.toThrow(
      /CONFIG_INVALID: a request to the index may take 5001 ms, .* Lower `requestTimeoutMs`/,
    )
    expect(sink.state).toBe('new')
    await using _longer = await runningIn(group, { ...settings, sessionTimeoutMs: 10_002 })
  })
})
