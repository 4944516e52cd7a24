import { describe, expect, test } from 'vitest'
import type { StreamError } from '../../../src/errors.ts'
import { type Log, numbered } from './harness.ts'
import { TestMember } from './member.ts'

/** Committed offsets, and who may commit. */
export function commitFeatures(log: Log): void {
  describe('commits', () => {
    test('what was never committed has no offset', async () => {
      const place = { topic: await log.topic(), partition: 0 }

      const [committed] = await log.broker.committed(log.name('group'), [place])

      expect(committed).toMatchObject({ ...place, offset: undefined })
    })

    test('a commit is read back with its metadata, by any client, for its own group alone', async () => {
      const topic = await log.topic(2)
      const group = log.name('group')
      const places = [0, 1].map((partition) => ({ topic, partition }))
      const metadata = `{"mark":"open"} ${'ä'.repeat(1_000)}`
      const member = await TestMember.join(log.broker, { group, topics: [topic] })
      await log.send({ topic, partition: 0 }, ...numbered(7))
      await log.eventually(() => expect(member.owned).toEqual([0, 1]))

      await member.member.commit([
        { topic, partition: 0, offset: 7, metadata },
        { topic, partition: 1, offset: 0 },
      ])
      const other = await log.another()

      expect(await other.committed(group, places)).toEqual([
        { topic, partition: 0, offset: 7, metadata },
        { topic, partition: 1, offset: 0, metadata: '' },
      ])
      const [foreign] = await other.committed(log.name('other-group'), places)
      expect(foreign?.offset).toBeUndefined()
    })

    test('the topics of a group are those of which it has committed something, also when nobody reads them', async () => {
      const [one, other, unread] = await Promise.all([log.topic(), log.topic(3), log.topic()])
      const group = log.name('group')
      const longer = `${group}-longer`
      const member = await TestMember.join(log.broker, { group, topics: [one, other] })
      const stranger = await TestMember.join(await log.another(), { group: longer, topics: [unread] })
      await log.eventually(() => expect([member.owned.length, stranger.owned.length]).toEqual([4, 1]))
      const before = await log.broker.committedTopics(group)

      await member.member.commit([{ topic: one, partition: 0, offset: 0 }])
      await member.member.commit([{ topic: other, partition: 2, offset: 0 }])
      await stranger.member.commit([{ topic: unread, partition: 0, offset: 0 }])
      await member.member.leave()
      const client = await log.another()

      expect(before).toEqual([])
      expect((await client.committedTopics(group)).toSorted()).toEqual([one, other].toSorted())
      expect(await client.committedTopics(longer)).toEqual([unread])
    })

    test('metadata may have 4,096 characters', async () => {
      const topic = await log.topic()
      const group = log.name('group')
      const metadata = 'm'.repeat(4_096)
      const member = await TestMember.join(log.broker, { group, topics: [topic] })
      await log.eventually(() => expect(member.owned).toEqual([0]))

      await member.member.commit([{ topic, partition: 0, offset: 0, metadata }])

      expect((await log.broker.committed(group, [{ topic, partition: 0 }]))[0]?.metadata).toBe(metadata)
    })

    test('a later commit replaces an earlier one, also with a smaller offset', async () => {
      const topic = await log.topic()
      const group = log.name('group')
      const place = { topic, partition: 0 }
      await log.send(place, ...numbered(3))
      const member = await TestMember.join(log.broker, { group, topics: [topic] })
      await log.eventually(() => expect(member.owned).toEqual([0]))

      await member.member.commit([{ ...place, offset: 3, metadata: 'first' }])
      await member.member.commit([{ ...place, offset: 1 }])

      expect(await log.broker.committed(group, [place])).toEqual([{ ...place, offset: 1, metadata: '' }])
    })

    test('the next member starts where the one before committed', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const options = { group: log.name('group'), topics: [topic] }
      await log.send(place, ...numbered(10))
      const before = await TestMember.join(log.broker, options)
      await log.eventually(() => expect(before.records(place)).toHaveLength(10))
      await before.member.commit([{ ...place, offset: 6 }])
      await before.member.leave()

      const after = await TestMember.join(await log.another(), options)

      await log.eventually(() => expect(after.values(place)).toEqual(numbered(10).slice(6)))
    })

    test('a commit inside revoked counts for the next owner', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const options = { group: log.name('group'), topics: [topic] }
      await log.send(place, ...numbered(10))
      const failures: StreamError[] = []
      const before: TestMember = await TestMember.join(log.broker, {
        ...options,
        onFailed: (error) => failures.push(error),
        onRevoked: () => before.member.commit([{ ...place, offset: 4, metadata: 'from revoked' }]),
      })
      await log.eventually(() => expect(before.records(place)).toHaveLength(10))

      await before.member.leave()
      const after = await TestMember.join(await log.another(), options)

      await log.eventually(() => expect(after.values(place)).toEqual(numbered(10).slice(4)))
      expect(failures).toEqual([])
    })

    test('a commit after leaving is refused', async () => {
      const topic = await log.topic()
      const group = log.name('group')
      const member = await TestMember.join(log.broker, { group, topics: [topic] })
      await log.eventually(() => expect(member.owned).toEqual([0]))
      await member.member.leave()

      const commit = member.member.commit([{ topic, partition: 0, offset: 0 }])

      await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
      expect((await log.broker.committed(group, [{ topic, partition: 0 }]))[0]?.offset).toBeUndefined()
    })

    test('a commit for a partition of another member is refused', async () => {
      const topic = await log.topic(2)
      const options = { group: log.name('group'), topics: [topic] }
      const first = await TestMember.join(log.broker, options)
      const second = await TestMember.join(await log.another(), options)
      await log.eventually(() => expect([...first.owned, ...second.owned].sort()).toEqual([0, 1]))
      const foreign = { topic, partition: second.owned[0] ?? -1 }

      const commit = first.member.commit([{ ...foreign, offset: 0 }])

      await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
      expect((await log.broker.committed(options.group, [foreign]))[0]?.offset).toBeUndefined()
    })

    test('a commit after revoked has resolved is refused, also while the group still waits for others', async () => {
      const topic = await log.topic(2)
      const options = { group: log.name('group'), topics: [topic] }
      const { promise: mayGiveUp, resolve: giveUp } = Promise.withResolvers<void>()
      const waiting: string[] = []
      const quick = await TestMember.join(log.broker, { ...options, journal: waiting, name: 'quick' })
      const slow = await TestMember.join(await log.another(), { ...options, onRevoked: () => mayGiveUp })
      await log.eventually(() => expect([quick.owned.length, slow.owned.length]).toEqual([1, 1]))
      const place = { topic, partition: quick.owned[0] ?? -1 }
      waiting.length = 0

      const joining = TestMember.join(await log.another(), options)
      await log.eventually(() => expect(waiting).toEqual(['quick revoked', 'quick gave up']))
      const commit = quick.member.commit([{ ...place, offset: 0 }])

      await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
      giveUp()
      await joining
      expect((await log.broker.committed(options.group, [place]))[0]?.offset).toBeUndefined()
    })

    test('the group goes on without a member that does not give up in time, whose commits are refused', async () => {
      const topic = await log.topic(2)
      const journal: string[] = []
      const options = { group: log.name('group'), topics: [topic], journal, rebalanceTimeoutMs: log.rebalanceTimeoutMs }
      const { promise: mayGiveUp, resolve: giveUp } = Promise.withResolvers<void>()
      const slow = await TestMember.join(log.broker, { ...options, name: 'slow', onRevoked: () => mayGiveUp })
      await log.eventually(() => expect(slow.owned).toEqual([0, 1]))

      const other = await TestMember.join(await log.another(), { ...options, name: 'other' })
      await log.eventually(() => expect(other.owned).toEqual([0, 1]))
      const commit = slow.member.commit([{ topic, partition: 0, offset: 0 }])

      await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
      giveUp()
      await log.eventually(() => expect(journal).toContain('slow lost'))
      await log.eventually(() => expect([slow.owned.length, other.owned.length]).toEqual([1, 1]))
      expect([...slow.owned, ...other.owned].sort()).toEqual([0, 1])
      expect([...slow.violations, ...other.violations]).toEqual([])
    })
  })
}
