import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { ConsumerGroup } from '../../../src/connectors/kafka/internals.ts'
import { keepSteady } from '../../../src/connectors/kafka/steady-group.ts'

const clock = new ManualClock(1_000_000)

/** A group whose heartbeat fails with these facts as long as its coordinator is the first one. */
function groupFailing(facts: { readonly type?: string; readonly name?: string }) {
  const heartbeats: unknown[] = []
  const group = {
    groupId: 'group',
    coordinator: 'first',
    offsetManager: { coordinator: 'first' },
    nodes: ['1', '2'],
    cluster: { findGroupCoordinator: async () => 'second' },
    getNodeIds: () => group.nodes,
    fetch: async (): Promise<object[]> => [],
    heartbeat: async () => {
      heartbeats.push(group.coordinator)
      if (group.coordinator === 'first') throw Object.assign(new Error('refused'), facts)
    },
  }
  keepSteady(group as unknown as ConsumerGroup, clock)
  return { group, heartbeats }
}

describe('a group while brokers go and come back', () => {
  test('keeps the brokers that it knew, and takes those that it finds', () => {
    const { group } = groupFailing({})
    const before = group.getNodeIds()

    group.nodes = []
    const meanwhile = group.getNodeIds()
    group.nodes = ['3']

    expect([before, meanwhile, group.getNodeIds()]).toEqual([['1', '2'], ['1', '2'], ['3']])
  })

  test.each([
    ['its broker is gone', { name: 'KafkaJSConnectionError' }],
    ['its connection broke', { name: 'KafkaJSConnectionClosedError' }],
    ['its broker left the cluster', { name: 'KafkaJSBrokerNotFound' }],
    ['another broker has taken over', { type: 'NOT_COORDINATOR_FOR_GROUP' }],
    ['the new one is still loading', { type: 'GROUP_LOAD_IN_PROGRESS' }],
  ])('sends its heartbeats to the new coordinator when %s', async (_name, facts) => {
    const { group, heartbeats } = groupFailing(facts)

    await group.heartbeat()
    await group.heartbeat()

    expect(heartbeats).toEqual(['first', 'second'])
    expect(group.offsetManager.coordinator).toBe('second')
  })

  test('sends a heartbeat though the clock was turned back behind the last one', async () => {
    const { group, heartbeats } = groupFailing({})
    Object.assign(group, { coordinator: 'second', lastRequest: clock.now() + 3_600_000 })

    await group.heartbeat()

    expect(heartbeats).toEqual(['second'])
    expect(group).toMatchObject({ lastRequest: 0 })
  })

  test('looks for a topic that is unknown for a while, and gives up when it stays so', async () => {
    const { group } = groupFailing({})
    let isKnown = false
    const unknown = () => Object.assign(new Error('unknown'), { type: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true })
    const fake = {
      ...group,
      fetch: async (_node: string): Promise<object[]> => {
        if (!isKnown) throw unknown()
        return []
      },
    }
    keepSteady(fake as unknown as ConsumerGroup, clock)
    const retriable = () => fake.fetch('1').then(String, (error: { retriable: boolean }) => error.retriable)

    const retriableAfter = (durationMs: number) => {
      clock.advance(durationMs)
      return retriable()
    }

    const before = [await retriable(), await retriableAfter(19_999)]
    isKnown = true
    await fake.fetch('1')
    isKnown = false
    const after = [await retriable(), await retriableAfter(20_000)]

    expect([before, after]).toEqual([
      [true, true],
      [true, false],
    ])
  })

  test('stays in the group while there is no coordinator', async () => {
    const { group, heartbeats } = groupFailing({ type: 'NOT_COORDINATOR_FOR_GROUP' })
    const find = group.cluster.findGroupCoordinator
    group.cluster.findGroupCoordinator = async () => {
      throw Object.assign(new Error('Failed to find group coordinator'), { retriable: false })
    }

    await group.heartbeat()
    group.cluster.findGroupCoordinator = find
    await group.heartbeat()
    await group.heartbeat()

    expect(heartbeats).toEqual(['first', 'first', 'second'])
  })

  test.each(['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'])('hears %s', async (type) => {
    const { group } = groupFailing({ type })

    await expect(group.heartbeat()).rejects.toMatchObject({ type })
    expect(group.coordinator).toBe('first')
  })

  test('hands on a batch of control records alone, for its position to be checked', async () => {
    const { group } = groupFailing({})
    const control = { isEmptyDueToFiltering: () => true, isEmpty: () => true }
    const nothing = { isEmptyDueToFiltering: () => false, isEmpty: () => true }
    const fake = { ...group, fetch: async () => [control, nothing] }
    keepSteady(fake as unknown as ConsumerGroup, clock)

    const batches = await fake.fetch()

    expect(batches.map((batch) => batch.isEmpty())).toEqual([false, true])
  })
})
