import { describe, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { evenAssignor, TestMember, type TestMemberOptions } from '../../contracts/broker/member.ts'
import { logRecord } from '../../support/log-records.ts'

const topic = 'documents'
const group = 'group'
const rebalanceTimeoutMs = 1_000

/** A broker in memory whose time stands still, and members that share a journal. */
async function openGroup() {
  const clock = new ManualClock(5_000)
  const broker = embeddedBroker({ clock })
  onTestFinished(() => broker.close())
  await broker.open()
  await broker.createTopics([{ topic, partitions: 2 }])
  const journal: string[] = []
  const join = (name: string, options: Partial<TestMemberOptions> = {}, client = broker) =>
    TestMember.join(client, { group, topics: [topic], rebalanceTimeoutMs, journal, name, ...options })
  return { clock, broker, journal, join }
}

const fail = () => {
  throw new Error('on purpose')
}

describe('a rebalance of the embedded log', () => {
  test('waits for the deadline on its clock, and no longer', async () => {
    const { clock, journal, join } = await openGroup()
    const deadlines: number[] = []
    const { promise: never } = Promise.withResolvers<void>()
    const onRevoked: TestMemberOptions['onRevoked'] = ({ at }) => {
      deadlines.push(at)
      return never
    }
    await join('slow', { onRevoked })
    const joining = join('other')
    await expect.poll(() => journal).toContain('slow revoked')

    clock.advance(rebalanceTimeoutMs - 1)
    await expect.poll(() => journal).toEqual(['slow assigned 0 1', 'slow revoked'])
    clock.advance(1)
    await joining

    expect(deadlines).toEqual([6_000])
    expect(journal).toEqual(['slow assigned 0 1', 'slow revoked', 'other assigned 0 1'])
  })

  test('loses a member whose assigned does not end in time, and does not ask it to give up afterwards', async () => {
    const { clock, journal, join } = await openGroup()
    const { promise: mayStart, resolve: start } = Promise.withResolvers<void>()
    await join('slow', { onAssigned: () => mayStart })
    const joining = join('other')
    await expect.poll(() => journal).toEqual(['slow assigned 0 1'])

    clock.advance(rebalanceTimeoutMs)
    await joining
    start()

    await expect
      .poll(() => journal.filter((line) => line.startsWith('slow')))
      .toEqual(['slow assigned 0 1', 'slow lost', expect.stringMatching(/^slow assigned [01]$/)])
  })

  test('tells nothing more to a member whose broker was closed', async () => {
    const { clock, broker, journal, join } = await openGroup()
    const client = broker.connect()
    await client.open()
    const { promise: mayGiveUp, resolve: giveUp } = Promise.withResolvers<void>()
    await join('closed', { onRevoked: () => mayGiveUp }, client)
    const joining = join('other')
    await expect.poll(() => journal).toContain('closed revoked')
    clock.advance(rebalanceTimeoutMs)
    await joining

    await client.close()
    giveUp()

    await expect.poll(() => journal).toContain('closed gave up')
    await new Promise((resolve) => setImmediate(resolve))
    expect(journal).not.toContain('closed lost')
  })

  test('takes back what it gives to a member that is leaving, whenever that decides to', async () => {
    for (let delay = 0; delay < 20; delay++) {
      const { journal, join } = await openGroup()
      const { promise: mayGiveUp, resolve: giveUp } = Promise.withResolvers<void>()
      const leaver = await join('leaver')
      const slow = await join('slow', { onRevoked: () => mayGiveUp })
      const joining = join('other')
      await expect.poll(() => journal.filter((line) => line === 'leaver gave up')).toHaveLength(2)

      giveUp()
      for (let tick = 0; tick < delay; tick++) await Promise.resolve()
      await leaver.member.leave()
      const other = await joining
      await expect.poll(() => [...slow.owned, ...other.owned].sort()).toEqual([0, 1])

      const steps = journal.filter((line) => line.startsWith('leaver')).map((line) => line.split(' ')[1])
      expect(steps).toEqual(steps.map((_, index) => ['assigned', 'revoked', 'gave'][index % 3]))
      expect(steps.at(-1)).toBe('gave')
    }
  })

  test('goes on with the next leader when the assignor of the first one throws', async () => {
    const { journal, join } = await openGroup()
    let isBroken = false
    const even = evenAssignor()
    const assignor = {
      ...even,
      assign: (...args: Parameters<typeof even.assign>) => (isBroken ? fail() : even.assign(...args)),
    }
    await join('leader', { assignor })
    isBroken = true

    const other = await join('other')

    await expect.poll(() => other.owned).toEqual([0, 1])
    expect(journal).toContain('leader failed CONSUMER_DEAD')
  })

  test('goes on without a member that cannot tell about itself', async () => {
    const { join } = await openGroup()
    const member = await join('member')

    const broken = join('broken', { assignor: { ...evenAssignor(), memberData: fail } })

    await expect(broken).rejects.toMatchObject({ code: 'CONSUMER_DEAD', cause: { message: 'on purpose' } })
    await expect.poll(() => member.owned).toEqual([0, 1])
  })
})

describe('delivery of the embedded log', () => {
  test('gives others a turn of the event loop between two batches', async () => {
    const { broker, join } = await openGroup()
    const place = { topic, partition: 0 }
    await (await broker.producer()).send(Array.from({ length: 3_000 }, (_, index) => logRecord(place, `${index}`, '')))
    let turns = 0
    const turn = () => {
      turns++
      immediate = setImmediate(turn)
    }
    let immediate = setImmediate(turn)
    onTestFinished(() => clearImmediate(immediate))
    const turnsAtBatch: number[] = []

    const member = await join('member', { onRecords: () => turnsAtBatch.push(turns) })
    await expect.poll(() => member.records(place)).toHaveLength(3_000)

    expect(turnsAtBatch.length).toBeGreaterThanOrEqual(6)
    expect(new Set(turnsAtBatch).size).toBe(turnsAtBatch.length)
  })

  test('ends for a member whose listener throws at records', async () => {
    const { broker, journal, join } = await openGroup()
    await join('member', { onRecords: fail })

    await (await broker.producer()).send([logRecord({ topic, partition: 0 }, 'a', '1')])

    await expect.poll(() => journal).toContain('member failed CONSUMER_DEAD')
  })
})
