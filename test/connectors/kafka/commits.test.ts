import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { Assignment, type Generation } from '../../../src/connectors/kafka/assignment.ts'
import { GroupCommits } from '../../../src/connectors/kafka/commits.ts'
import type { CommittedTopics } from '../../../src/connectors/kafka/internals.ts'

const place = { topic: 'documents', partition: 0 }
const other = { topic: 'documents', partition: 7 }

/** What a test can say about the brokers: how each commit ends, and which coordinator is found. */
function setUp(answers: readonly (() => Promise<void>)[]) {
  const sent: { readonly coordinator: unknown; readonly topics: CommittedTopics }[] = []
  const clock = new ManualClock()
  const offsetManager = {
    coordinator: 'first',
    commitOffsets({ topics }: { readonly topics: CommittedTopics }) {
      sent.push({ coordinator: offsetManager.coordinator, topics })
      return answers[sent.length - 1]?.() ?? Promise.resolve()
    },
  }
  const group = { groupId: 'group', offsetManager, cluster: { findGroupCoordinator: async () => 'second' } }
  const generation = { group, offsetManager } as unknown as Generation
  const assignment = new Assignment([place, other], generation)
  return { sent, clock, assignment, commits: new GroupCommits('group', clock) }
}

const refuse = (facts: { readonly type?: string; readonly name?: string }) => async () => {
  throw Object.assign(new Error('refused'), facts)
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('commits of a member', () => {
  test('go out with their metadata, by topic', async () => {
    const { sent, commits, assignment } = setUp([])

    await commits.commit(assignment, [{ ...place, offset: 7, metadata: 'clean' }])

    expect(sent.map(({ topics }) => topics)).toEqual([
      [{ topic: 'documents', partitions: [{ partition: 0, offset: '7', metadata: 'clean' }] }],
    ])
  })

  test.each([
    ['of a partition that it does not own', (assignment: Assignment) => assignment, { ...place, partition: 1 }],
    ['without an assignment', () => undefined, place],
    ['after the group has gone on', (assignment: Assignment) => Object.assign(assignment, { isFenced: true }), place],
  ])('are refused %s, without asking the broker', async (_name, change, target) => {
    const { sent, commits, assignment } = setUp([])

    const commit = commits.commit(change(assignment), [{ ...target, offset: 1 }])

    await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    expect(sent).toEqual([])
  })

  test.each([
    ['has moved', refuse({ type: 'NOT_COORDINATOR_FOR_GROUP' })],
    ['is gone', refuse({ name: 'KafkaJSBrokerNotFound' })],
  ])('look for the coordinator when it %s', async (_name, answer) => {
    const { sent, commits, assignment } = setUp([answer])

    await commits.commit(assignment, [{ ...place, offset: 1 }])

    expect(sent.map(({ coordinator }) => coordinator)).toEqual(['first', 'second'])
  })

  test('that the broker fences end the right to commit', async () => {
    const { sent, commits, assignment } = setUp([refuse({ type: 'ILLEGAL_GENERATION' })])

    await expect(commits.commit(assignment, [{ ...place, offset: 1 }])).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    await expect(commits.commit(assignment, [{ ...place, offset: 1 }])).rejects.toMatchObject({ code: 'MEMBER_FENCED' })

    expect(sent).toHaveLength(1)
  })

  test('that are not answered fail in time, and arrive before newer ones', async () => {
    const slow = Promise.withResolvers<void>()
    const { sent, clock, commits, assignment } = setUp([() => slow.promise])
    const first = commits.commit(assignment, [{ ...place, offset: 1 }])
    await settled()

    clock.advance(60_000)
    await expect(first).rejects.toMatchObject({ code: 'COMMIT_FAILED', reaction: 'retry' })
    const second = commits.commit(assignment, [{ ...place, offset: 2 }])
    await settled()
    const sentBefore = sent.length
    slow.resolve()
    await second

    expect(sentBefore).toBe(1)
    expect(sent.map(({ topics }) => topics[0]?.partitions[0]?.offset)).toEqual(['1', '2'])
  })

  test('that come while one is under way go together into the next request, the newest of each partition', async () => {
    const slow = Promise.withResolvers<void>()
    const { sent, commits, assignment } = setUp([() => slow.promise])
    const first = commits.commit(assignment, [{ ...place, offset: 1 }])

    const together = [
      commits.commit(assignment, [{ ...place, offset: 2 }]),
      commits.commit(assignment, [{ ...other, offset: 9 }]),
      commits.commit(assignment, [{ ...place, offset: 3 }]),
    ]
    slow.resolve()
    await Promise.all([first, ...together])

    const offsets = sent.map(({ topics }) => topics[0]?.partitions.map(({ partition, offset }) => [partition, offset]))
    expect(offsets).toEqual([
      [[0, '1']],
      [
        [0, '3'],
        [7, '9'],
      ],
    ])
  })

  test('fail together with their request, and the next ones are sent', async () => {
    const slow = Promise.withResolvers<void>()
    const { sent, commits, assignment } = setUp([() => slow.promise, refuse({ type: 'UNKNOWN' })])
    const first = commits.commit(assignment, [{ ...place, offset: 1 }])
    const together = [place, other].map((partition) => commits.commit(assignment, [{ ...partition, offset: 2 }]))
    slow.resolve()
    await first

    const outcomes = await Promise.allSettled(together)
    await commits.commit(assignment, [{ ...place, offset: 2 }])

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(sent).toHaveLength(3)
  })
})
