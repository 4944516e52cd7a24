import { describe, expect, test } from 'vitest'
import type { StreamError } from '../../../src/errors.ts'
import type { Assignor } from '../../../src/runtime/broker.ts'
import type { Log } from './harness.ts'
import { evenAssignor, TestMember } from './member.ts'

/** Who owns what, and who is told when. */
export function membershipFeatures(log: Log): void {
  describe('membership', () => {
    test('the only member gets every partition of its topics', async () => {
      const topics = [await log.topic(3), await log.topic(1)]

      const member = await TestMember.join(log.broker, { group: log.name('group'), topics })

      await log.eventually(() => expect(member.owned).toEqual([0, 0, 1, 2]))
    })

    test('two members share the partitions, and what one leaves behind goes to the other', async () => {
      const options = { group: log.name('group'), topics: [await log.topic(4)] }
      const first = await TestMember.join(log.broker, options)
      const second = await TestMember.join(await log.another(), options)
      await log.eventually(() => expect([...first.owned, ...second.owned].sort()).toEqual([0, 1, 2, 3]))
      const shares = [first.owned.length, second.owned.length]

      await first.member.leave()
      await log.eventually(() => expect(second.owned).toEqual([0, 1, 2, 3]))

      expect(shares).toEqual([2, 2])
      expect(first.owned).toEqual([])
    })

    test('nobody gets a partition before everybody has given up theirs', async () => {
      const journal: string[] = []
      const options = { group: log.name('group'), topics: [await log.topic(2)], journal }
      const { promise: mayGiveUp, resolve: giveUp } = Promise.withResolvers<void>()
      const first = await TestMember.join(log.broker, { ...options, name: 'first', onRevoked: () => mayGiveUp })
      await log.eventually(() => expect(first.owned).toEqual([0, 1]))

      const joining = TestMember.join(await log.another(), { ...options, name: 'second' })
      await log.eventually(() => expect(journal).toContain('first revoked'))
      giveUp()
      const second = await joining
      await log.eventually(() => expect([...first.owned, ...second.owned].sort()).toEqual([0, 1]))

      const assigned = journal.findIndex((line) => line.startsWith('second assigned'))
      expect(assigned).toBeGreaterThan(journal.indexOf('first gave up'))
    })

    test('the deadline of a revocation lies ahead', async () => {
      let remainingMs = Number.NaN
      const member = await TestMember.join(log.broker, {
        group: log.name('group'),
        topics: [await log.topic()],
        rebalanceTimeoutMs: 30_000,
        onRevoked: async ({ at }) => {
          remainingMs = at - Date.now()
        },
      })

      await member.member.leave()

      expect(remainingMs).toBeGreaterThan(0)
      expect(remainingMs).toBeLessThanOrEqual(30_000)
    })

    test('a member knows when its group last heard of it, as long as it stays', async () => {
      const begun = Date.now()
      const { member } = await TestMember.join(log.broker, { group: log.name('group'), topics: [await log.topic()] })
      const joinedAt = member.lastHeartbeatAt
      const joined = Date.now()

      await log.eventually(() => expect(member.lastHeartbeatAt).toBeGreaterThan(joined))

      expect(joinedAt).toBeGreaterThanOrEqual(begun)
      expect(joinedAt).toBeLessThanOrEqual(joined)
      expect(member.lastHeartbeatAt).toBeLessThanOrEqual(Date.now())
    })

    test('callbacks never overlap, assignments and revocations alternate, however members come and go', async () => {
      const options = { group: log.name('group'), topics: [await log.topic(3)] }
      const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
      const stayed = await TestMember.join(log.broker, { ...options, onAssigned: turn, onRevoked: turn })
      const other = await log.another()

      const visitors = await Promise.all([TestMember.join(other, options), TestMember.join(other, options)])
      await Promise.all(visitors.map(({ member }) => member.leave()))
      await log.eventually(() => expect(stayed.owned).toEqual([0, 1, 2]))

      const steps = stayed.journal.map((line) => line.split(' ')[1])
      const alternating = steps.map((_, index) => ['assigned', 'revoked', 'gave'][index % 3])
      expect(steps).toEqual(alternating)
      expect([stayed, ...visitors].flatMap(({ violations }) => violations)).toEqual([])
    })

    test('leaving calls revoked first, and nothing afterwards', async () => {
      const topic = await log.topic()
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic], name: 'leaver' })
      await log.eventually(() => expect(member.owned).toEqual([0]))

      await member.member.leave()
      await log.send({ topic, partition: 0 }, 'unseen')
      await log.read({ topic, partition: 0 })

      expect(member.journal).toEqual(['leaver assigned 0', 'leaver revoked', 'leaver gave up'])
      expect(member.values({ topic, partition: 0 })).toEqual([])
    })

    test('closing a broker frees what its members owned', async () => {
      const options = { group: log.name('group'), topics: [await log.topic(2)] }
      const gone = await log.another()
      await TestMember.join(gone, options)
      const stayed = await TestMember.join(log.broker, options)

      await gone.close()

      await log.eventually(() => expect(stayed.owned).toEqual([0, 1]))
    })

    test('the leader hears what each member tells about itself', async () => {
      const heard: string[][] = []
      const telling = (word: string): Assignor => ({
        ...evenAssignor('telling'),
        memberData: () => Buffer.from(word),
        assign(members, topics) {
          heard.push(members.map(({ data }) => Buffer.from(data).toString()).sort())
          return evenAssignor().assign(members, topics)
        },
      })
      const options = { group: log.name('group'), topics: [await log.topic(2)] }

      await TestMember.join(log.broker, { ...options, assignor: telling('apple') })
      await TestMember.join(await log.another(), { ...options, assignor: telling('pear') })

      await log.eventually(() => expect(heard.at(-1)).toEqual(['apple', 'pear']))
    })

    test('each member hears what the leader tells it, and nothing when there is nothing to tell', async () => {
      const telling: Assignor = {
        ...evenAssignor('telling'),
        assign(members, topics) {
          const even = [...evenAssignor().assign(members, topics)]
          if (even.length === 1) return new Map(even)
          return new Map(
            even.map(([id, { partitions }]) => [id, { partitions, data: Buffer.from(`${partitions.length} for you`) }]),
          )
        },
      }
      const options = { group: log.name('group'), topics: [await log.topic(3)], assignor: telling }

      const first = await TestMember.join(log.broker, options)
      await log.eventually(() => expect(first.owned).toEqual([0, 1, 2]))
      const toldAlone = first.told
      const second = await TestMember.join(await log.another(), options)

      await log.eventually(() => expect([first.told, second.told].sort()).toEqual(['1 for you', '2 for you']))
      expect(toldAlone).toBe('')
    })

    test('a member with another assignor is refused', async () => {
      const options = { group: log.name('group'), topics: [await log.topic(2)] }
      await TestMember.join(log.broker, { ...options, assignor: evenAssignor('one') })

      const joining = TestMember.join(await log.another(), { ...options, assignor: evenAssignor('two') })

      await expect(joining).rejects.toMatchObject({ name: 'StreamError', reaction: 'fatal' })
    })

    test('a topic that does not exist cannot be joined', async () => {
      const joining = TestMember.join(log.broker, { group: log.name('group'), topics: [log.name('absent')] })

      await expect(joining).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
    })

    test.each(['assigned', 'revoked'] as const)(
      'a listener that throws in %s has failed, and others get its partitions',
      async (callback) => {
        const options = { group: log.name('group'), topics: [await log.topic(2)] }
        const fail = async () => {
          throw new Error('on purpose')
        }
        const hook = callback === 'assigned' ? { onAssigned: fail } : { onRevoked: fail }
        const failures: StreamError[] = []
        const onFailed = (error: StreamError) => void failures.push(error)
        // A join may fail with its first assignment, or be over by then.
        await TestMember.join(log.broker, { ...options, ...hook, onFailed }).catch(onFailed)

        const other = await TestMember.join(await log.another(), options)

        await log.eventually(() => expect(failures[0]?.name).toBe('StreamError'))
        await log.eventually(() => expect(other.owned).toEqual([0, 1]))
      },
    )
  })
}
