import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { Cluster } from '../../../src/connectors/kafka/internals.ts'
import { watchSessions } from '../../../src/connectors/kafka/sessions.ts'

/** A coordinator that takes a second for every answer. */
function watchedCoordinator() {
  const clock = new ManualClock(1_000)
  const renewals: number[] = []
  const syncs: unknown[] = []
  const state: { error: Error | undefined } = { error: undefined }
  const answer = async () => {
    clock.advance(1_000)
    if (state.error) throw state.error
    return 'answer'
  }
  const coordinator = { joinGroup: answer, syncGroup: answer, heartbeat: answer }
  const cluster = { findGroupCoordinator: async () => coordinator }
  watchSessions(cluster as unknown as Cluster, clock, {
    renewed: (sentAt) => void renewals.push(sentAt),
    synced: (answer) => void syncs.push(answer),
  })
  return { cluster, renewals, syncs, state }
}

describe('the session of a member', () => {
  test('begins anew when a join, a sync or a heartbeat was sent, not when it is answered', async () => {
    const { cluster, renewals } = watchedCoordinator()
    const coordinator = await cluster.findGroupCoordinator()

    const answers = [await coordinator.joinGroup(), await coordinator.syncGroup(), await coordinator.heartbeat()]

    expect(answers).toEqual(['answer', 'answer', 'answer'])
    expect(renewals).toEqual([1_000, 2_000, 3_000])
  })

  test('knows what a sync was answered, and nothing else', async () => {
    const { cluster, syncs } = watchedCoordinator()
    const coordinator = await cluster.findGroupCoordinator()

    await coordinator.joinGroup()
    await coordinator.heartbeat()
    const before = [...syncs]
    await coordinator.syncGroup()

    expect([before, syncs]).toEqual([[], ['answer']])
  })

  test('does not begin anew with a request that the coordinator refuses', async () => {
    const { cluster, renewals, state } = watchedCoordinator()
    const coordinator = await cluster.findGroupCoordinator()
    state.error = new Error('REBALANCE_IN_PROGRESS')

    await expect(coordinator.heartbeat()).rejects.toThrow('REBALANCE_IN_PROGRESS')

    expect(renewals).toEqual([])
  })

  test('is told of once for a request, however often the coordinator was looked for', async () => {
    const { cluster, renewals } = watchedCoordinator()
    await cluster.findGroupCoordinator()
    const coordinator = await cluster.findGroupCoordinator()

    await coordinator.heartbeat()

    expect(renewals).toEqual([1_000])
  })
})
