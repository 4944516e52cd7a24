import { describe, expect, test } from 'vitest'
import { KafkaClientFactory } from '../../src/connectors/kafka/client.ts'
import { type Log, numbered, text, useLog } from '../contracts/broker/harness.ts'
import { evenAssignor, TestMember } from '../contracts/broker/member.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'

/** Longer than the session timeout of a TestMember. */
const slowMs = 8_000

describe.skipIf(kafkaBrokers.length === 0)('members of a group in a real Kafka', () => {
  const log = useLog(kafkaTarget, { waitMs: 30_000 })

  /** Takes every member out of its group, as the broker does with those that are silent for too long. */
  async function expel(group: string): Promise<void> {
    const cluster = new KafkaClientFactory({ brokers: kafkaBrokers }).cluster({})
    await cluster.connect()
    await cluster.refreshMetadata()
    const coordinator = await cluster.findGroupCoordinator({ groupId: group })
    const { groups } = await coordinator.describeGroups({ groupIds: [group] })
    for (const { memberId } of groups[0].members) await leaveGroup(coordinator, group, memberId)
    await cluster.disconnect()
  }

  test('a member that gives up slowly is kept alive by its heartbeats, and its commit counts', async () => {
    const { topic, options } = await oneTopic(log)
    const slow: TestMember = await TestMember.join(log.broker, {
      ...options,
      name: 'slow',
      onRevoked: async () => {
        if (slow.journal.includes('slow gave up')) return
        const end = Date.now() + slowMs
        await log.eventually(() => expect(Date.now()).toBeGreaterThan(end))
        await slow.member.commit([{ topic, partition: 0, offset: 7 }])
      },
    })
    await log.eventually(() => expect(slow.owned).toEqual([0, 1]))

    const other = await TestMember.join(await log.another(), options)
    await log.eventually(() => expect([slow.owned.length, other.owned.length]).toEqual([1, 1]))

    expect(slow.journal).not.toContain('slow lost')
    expect(await log.broker.committed(options.group, [{ topic, partition: 0 }])).toMatchObject([{ offset: 7 }])
  }, 60_000)

  test('a member that the group has removed is told that it is lost, may not commit, and comes back', async () => {
    const { topic, options } = await oneTopic(log)
    const place = { topic, partition: 0 }
    const member = await TestMember.join(log.broker, { ...options, name: 'removed' })
    await log.send(place, 'before')
    await log.eventually(() => expect(member.values(place)).toEqual(['before']))

    await expel(options.group)
    const commit = member.member.commit([{ ...place, offset: 1 }])
    await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    const steps = ['removed assigned 0 1', 'removed lost', 'removed assigned 0 1']
    await log.eventually(() => expect(member.journal).toEqual(steps))
    await log.send(place, 'after')

    await log.eventually(() => expect(member.values(place).at(-1)).toBe('after'))
    expect(member.violations).toEqual([])
  })

  test('members that disagree about the assignor are told both names', async () => {
    const { options } = await oneTopic(log)
    const first = await TestMember.join(log.broker, { ...options, assignor: evenAssignor('one') })
    await log.eventually(() => expect(first.owned).toEqual([0, 1]))

    const other = await log.another()

    const joining = () => TestMember.join(other, { ...options, assignor: evenAssignor('two') })

    // While a group rebalances it has no assignor that could be named.
    await log.eventually(() =>
      expect(joining()).rejects.toMatchObject({
        code: 'CONSUMER_DEAD',
        fact: `group "${options.group}" uses assignor "one", not "two"`,
      }),
    )
  })

  test('pausing in assigned holds from the first record on', async () => {
    const { topic, options } = await oneTopic(log)
    const [held, free] = [0, 1].map((partition) => ({ topic, partition }))
    if (!held || !free) throw new Error('two places')
    await log.send(held, 'held')
    await log.send(free, 'free')
    const { promise: joined, resolve } = Promise.withResolvers<TestMember>()
    const member = await TestMember.join(log.broker, {
      ...options,
      onAssigned: async () => (await joined).member.pause([held]),
    })
    resolve(member)

    await log.eventually(() => expect(member.values(free)).toEqual(['free']))
    const whilePaused = member.values(held)
    member.member.resume([held])

    await log.eventually(() => expect(member.values(held)).toEqual(['held']))
    expect(whilePaused).toEqual([])
  })

  test('leaving frees the partitions at once, not after the session timeout', async () => {
    const { options } = await oneTopic(log)
    const leaver = await TestMember.join(log.broker, { ...options, sessionTimeoutMs: 30_000 })
    const heir = await TestMember.join(await log.another(), { ...options, sessionTimeoutMs: 30_000 })
    await log.eventually(() => expect([leaver.owned.length, heir.owned.length]).toEqual([1, 1]))

    await leaver.member.leave()

    // Well before thirty seconds are over: the wait of this log is shorter than the session.
    await log.eventually(() => expect(heir.owned).toEqual([0, 1]))
  })

  test('a transaction that the broker has timed out is fenced', async () => {
    const place = { topic: await log.topic(), partition: 0 }
    const producer = await log.broker.producer({ transactionalId: log.name('slow'), transactionTimeoutMs: 1_000 })
    const transaction = await producer.begin()
    await transaction.send([text(place, 'never seen')])
    await log.eventually(async () => {
      const [offsets] = await log.broker.offsets([place])
      expect(offsets?.latest).toBe(2)
    })

    const commit = transaction.commit()

    await expect(commit).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    await expect(producer.begin()).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    expect(await log.read(place)).toEqual([])
  })

  test('a longer transaction timeout than the broker allows is a wrong configuration', async () => {
    const producer = log.broker.producer({ transactionalId: log.name('long'), transactionTimeoutMs: 2 ** 30 })

    await expect(producer).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('partitions of a topic with many are owned by number, not by text', async () => {
    const topic = await log.topic(12)
    const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
    for (const [partition, value] of numbered(12).entries()) await log.send({ topic, partition }, value)

    await log.eventually(() => {
      const values = numbered(12).map((_, partition) => member.values({ topic, partition }))
      expect(values).toEqual(numbered(12).map((value) => [value]))
    })
  })
})

async function oneTopic(log: Log) {
  const topic = await log.topic(2)
  return { topic, options: { group: log.name('group'), topics: [topic] } }
}

async function leaveGroup(coordinator: object, groupId: string, memberId: string): Promise<void> {
  const leave: unknown = Reflect.get(coordinator, 'leaveGroup')
  if (typeof leave === 'function') await leave.call(coordinator, { groupId, memberId })
}
