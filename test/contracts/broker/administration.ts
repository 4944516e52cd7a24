import { describe, expect, test } from 'vitest'
import type { BrokerAdmin } from '../../../src/runtime/broker.ts'
import { keepingOldRecords, type Log, numbered, valuesOf } from './harness.ts'
import { TestMember } from './member.ts'

/** What people ask of a log who operate an application. */
export function administrationFeatures(log: Log): void {
  describe('administration', () => {
    const admin = (): BrokerAdmin => {
      if (!log.broker.admin) throw new Error('the broker has no administration')
      return log.broker.admin
    }

    async function committing(topic: string, offset: number): Promise<TestMember> {
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
      await log.eventually(() => expect(member.owned).toEqual([0]))
      await member.member.commit([{ topic, partition: 0, offset }])
      return member
    }

    test('a group has its members, what they read and the assignor that they agreed on', async () => {
      const topics = [await log.topic(), await log.topic()]
      const group = log.name('group')
      const nobody = await admin().describeGroup(group)
      const member = await TestMember.join(log.broker, { group, topics })
      await log.eventually(() => expect(member.owned.length).toBe(2))

      const somebody = await (await log.another()).admin?.describeGroup(group)
      await member.member.leave()

      expect(nobody).toEqual({ members: [], assignor: undefined })
      expect(somebody).toMatchObject({ assignor: 'even', members: [{ host: expect.stringMatching(/./) }] })
      expect(somebody?.members[0]?.topics?.toSorted()).toEqual(topics.toSorted())
      await log.eventually(async () => expect((await admin().describeGroup(group)).members).toEqual([]))
    })

    test('what a group has committed is forgotten with it, and that of another one is not', async () => {
      const topic = await log.topic()
      await log.send({ topic, partition: 0 }, ...numbered(3))
      const [member, other] = [await committing(topic, 2), await committing(topic, 3)]
      await member.member.leave()

      await log.eventually(() => admin().deleteGroup(member.group))

      expect(await log.broker.committedTopics(member.group)).toEqual([])
      expect(await log.broker.committed(other.group, [{ topic, partition: 0 }])).toMatchObject([{ offset: 3 }])
      await expect(admin().deleteGroup(member.group)).resolves.toBeUndefined()
    })

    test('a group with members is not deleted', async () => {
      const topic = await log.topic()
      const member = await committing(topic, 0)

      await expect(admin().deleteGroup(member.group)).rejects.toMatchObject({ code: 'GROUP_ACTIVE' })

      expect(await log.broker.committedTopics(member.group)).toEqual([topic])
    })

    test('a deleted topic comes back empty, and what was committed of it is gone', async () => {
      const [topic, kept] = [await log.topic(), await log.topic()]
      const place = { topic, partition: 0 }
      await log.send(place, ...numbered(3))
      await log.send({ topic: kept, partition: 0 }, 'kept')
      const member = await committing(topic, 2)
      await member.member.leave()

      await admin().deleteTopics([topic, log.name('absent')])
      const known = await log.broker.topics([topic, kept])
      await log.broker.createTopics([{ topic, partitions: 2 }])
      await log.eventually(async () => expect(await log.send(place, 'anew')).toEqual([0]))

      expect([...known.keys()]).toEqual([kept])
      expect(valuesOf(await log.read(place))).toEqual(['anew'])
      expect(valuesOf(await log.read({ topic: kept, partition: 0 }))).toEqual(['kept'])
      await log.eventually(async () => expect(await log.broker.committedTopics(member.group)).toEqual([]))
    })

    test('records in front of an offset are deleted for ever, those behind it stay where they are', async () => {
      const topic = await log.topic(2, { settings: keepingOldRecords })
      const [place, other] = [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ]
      await log.send(place, ...numbered(5))
      await log.send(other, ...numbered(2))

      await admin().deleteRecords([
        { ...place, offset: 3 },
        { ...other, offset: 2 },
      ])
      await admin().deleteRecords([{ ...place, offset: 1 }])

      const after = await (await log.another()).offsets([place, other])
      expect(after).toMatchObject([
        { earliest: 3, latest: 5 },
        { earliest: 2, latest: 2 },
      ])
      expect(valuesOf(await log.read(place, 3))).toEqual(numbered(5).slice(3))
      expect(await log.send(other, 'next')).toEqual([2])
    })

    test('records that are not there cannot be deleted, and nothing is', async () => {
      const topic = await log.topic(2)
      await log.send({ topic, partition: 0 }, ...numbered(2))
      const [place, beyond] = [
        { topic, partition: 0, offset: 1 },
        { topic, partition: 1, offset: 1 },
      ]

      const deletion = admin().deleteRecords([place, beyond])
      const missing = admin().deleteRecords([{ ...place, topic: log.name('absent') }])

      await expect(deletion).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
      await expect(missing).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
      expect(await log.broker.offsets([place])).toMatchObject([{ earliest: 0, latest: 2 }])
    })

    test('nobody lacks a right where everything is allowed, and the question leaves no trace', async () => {
      const topic = await log.topic()
      const [group, created] = [log.name('group'), log.name('created')]

      const missing = await admin().missingRights({
        group,
        reads: [topic],
        writes: [topic],
        creates: [{ topic: created, partitions: 3 }],
        transactionalId: `${group}-0_0`,
      })

      expect(missing).toEqual([])
      expect([...(await log.broker.topics([topic, created])).keys()]).toEqual([topic])
      expect(await log.read({ topic, partition: 0 })).toEqual([])
      expect(await admin().describeGroup(group)).toEqual({ members: [], assignor: undefined })
    })
  })
}
