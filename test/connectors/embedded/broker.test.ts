import { describe, expect, onTestFinished, test } from 'vitest'
import { type Clock, ManualClock } from '../../../src/clock.ts'
import {
  type EmbeddedBroker,
  type EmbeddedBrokerOptions,
  embeddedBroker,
} from '../../../src/connectors/embedded/broker.ts'
import { formatKey } from '../../../src/connectors/embedded/layout.ts'
import { openLevelStore } from '../../../src/state/level-store.ts'
import { TestMember } from '../../contracts/broker/member.ts'
import { contents, logRecord, readAll } from '../../support/log-records.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const place = { topic: 'documents', partition: 0 }

async function openBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const broker = embeddedBroker(options)
  onTestFinished(() => broker.close())
  await broker.open()
  await broker.createTopics([{ topic: place.topic, partitions: 2 }])
  return broker
}

describe('the embedded broker on disk', () => {
  test('is as it was after closing and opening', async () => {
    await using folder = await temporaryDirectory()
    const before = await openBroker({ directory: folder.path })
    const producer = await before.producer()
    await producer.send([logRecord(place, 'a', '1'), logRecord({ ...place, partition: 1 }, 'b', '2')])
    const member = await TestMember.join(before, { group: 'group', topics: [place.topic] })
    await expect.poll(() => member.owned).toEqual([0, 1])
    await member.member.commit([{ ...place, offset: 1, metadata: 'clean' }])
    await before.close()

    const after = await openBroker({ directory: folder.path })
    const later = { topic: 'later', partition: 0 }
    await after.createTopics([{ topic: 'later', partitions: 1 }])
    const offsets = await (await after.producer()).send([logRecord(place, 'c', '3'), logRecord(later, 'd', '4')])

    expect(offsets).toEqual([1, 0])
    expect(contents(await readAll(after, later))).toEqual([[0, 'd', '4']])
    expect((await after.topics(['documents'])).get('documents')?.partitions).toBe(2)
    expect(contents(await readAll(after, place))).toEqual([
      [0, 'a', '1'],
      [1, 'c', '3'],
    ])
    expect(await after.committed('group', [place])).toEqual([{ ...place, offset: 1, metadata: 'clean' }])
  })

  test('one instance opens again after it was closed', async () => {
    await using folder = await temporaryDirectory()
    const broker = await openBroker({ directory: folder.path })
    await (await broker.producer()).send([logRecord(place, 'a', '1')])

    await broker.close()
    await broker.open()

    expect(contents(await readAll(broker, place))).toEqual([[0, 'a', '1']])
  })

  test('never gives an offset twice, also when all records are gone', async () => {
    await using folder = await temporaryDirectory()
    const clock = new ManualClock()
    const topic = { topic: 'compacted', partition: 0 }
    const before = await openBroker({ directory: folder.path, clock })
    const settings = { 'delete.retention.ms': '0' }
    await before.createTopics([{ topic: 'compacted', partitions: 1, cleanup: 'compact', settings }])
    await (await before.producer()).send([logRecord(topic, 'a', '1'), logRecord(topic, 'a', null)])
    await before.compact('compacted')
    clock.advance(1)
    await before.compact('compacted')
    await before.close()

    const after = await openBroker({ directory: folder.path, clock })
    const found = await readAll(after, topic)
    const offsets = await (await after.producer()).send([logRecord(topic, 'a', '2')])

    expect(found).toEqual([])
    expect(offsets).toEqual([2])
  })

  test('keeps nothing of a deleted topic for one that is made after a restart', async () => {
    await using folder = await temporaryDirectory()
    const before = await openBroker({ directory: folder.path })
    const old = { topic: 'old', partition: 0 }
    await before.createTopics([{ topic: 'old', partitions: 1 }])
    await (await before.producer()).send([logRecord(old, 'a', '1'), logRecord(old, 'b', '2')])
    const member = await TestMember.join(before, { group: 'group', topics: ['old'] })
    await expect.poll(() => member.owned).toEqual([0])
    await member.member.commit([{ ...old, offset: 2 }])
    await member.member.leave()
    await before.admin.deleteTopics(['old'])
    await before.close()

    const after = await openBroker({ directory: folder.path })
    const young = { topic: 'young', partition: 0 }
    await after.createTopics([{ topic: 'young', partitions: 1 }])
    // What is aborted leaves a gap, through which an old record would be seen.
    const transaction = await (await after.producer({ transactionalId: 'id' })).begin()
    await transaction.send([logRecord(young, 'c', '3')])
    await transaction.abort()
    await (await after.producer()).send([logRecord(young, 'd', '4')])

    expect(contents(await readAll(after, young))).toEqual([[1, 'd', '4']])
    expect(await after.committedTopics('group')).toEqual([])
  })

  test('a directory that is in use is refused', async () => {
    await using folder = await temporaryDirectory()
    await openBroker({ directory: folder.path })

    const second = embeddedBroker({ directory: folder.path }).open()

    await expect(second).rejects.toMatchObject({ code: 'STATE_LOCKED' })
  })

  test('a log of a newer version is refused and left alone', async () => {
    await using folder = await temporaryDirectory()
    const store = await openLevelStore(folder.path)
    await store.write([{ key: formatKey, value: Uint8Array.of(2) }])
    await store.close()

    const opening = embeddedBroker({ directory: folder.path }).open()

    await expect(opening).rejects.toMatchObject({ code: 'STATE_FORMAT' })
    const reopened = await openLevelStore(folder.path)
    expect(reopened.get(formatKey)).toEqual(Buffer.of(2))
    await reopened.close()
  })
})

describe('clients of one embedded log', () => {
  test('a broker that is not open says so', async () => {
    const broker = embeddedBroker()

    await expect(broker.topics([])).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await expect(broker.connect().open()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  })

  test('opening twice is opening once', async () => {
    const broker = embeddedBroker()
    onTestFinished(() => broker.close())

    await Promise.all([broker.open(), broker.open()])
    await broker.createTopics([{ topic: 'kept', partitions: 1 }])
    await broker.open()

    expect((await broker.topics(['kept'])).size).toBe(1)
  })

  test('a client that is closed aborts its transaction, whose producer is dead', async () => {
    const broker = await openBroker()
    const client = broker.connect()
    await client.open()
    const producer = await client.producer({ transactionalId: 'transactional' })
    const transaction = await producer.begin()
    await transaction.send([logRecord(place, 'a', 'never visible')])
    await (await broker.producer()).send([logRecord(place, 'b', 'visible')])

    await client.close()

    await expect(transaction.commit()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await expect(producer.begin()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    expect(contents(await readAll(broker, place))).toEqual([[1, 'b', 'visible']])
  })

  test('clients end with the broker that they were made from', async () => {
    const broker = await openBroker()
    const client = broker.connect()
    await client.open()
    const producer = await client.producer()
    const member = await TestMember.join(client, { group: 'group', topics: ['documents'] })

    await broker.close()

    await expect(producer.send([logRecord(place, 'a', '1')])).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await expect(member.member.commit([{ ...place, offset: 0 }])).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
  })

  test('what was sent before closing is written, what comes later is refused', async () => {
    await using folder = await temporaryDirectory()
    const broker = await openBroker({ directory: folder.path })
    const producer = await broker.producer()

    const sent = Array.from({ length: 8 }, (_, index) => {
      return producer.send([logRecord(place, `${index}`, '.'.repeat(2 * 1024 * 1024))])
    })
    const closed = broker.close()
    const late = producer.send([logRecord(place, 'late', '2')])

    await expect(late).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    expect((await Promise.all(sent)).flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await closed
    await broker.open()
    expect((await readAll(broker, place)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('a join that a close overtakes is refused', async () => {
    const broker = await openBroker()
    const client = broker.connect()
    await client.open()

    const joining = TestMember.join(client, { group: 'group', topics: ['documents'] })
    const closed = client.close()

    await expect(joining).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await closed
  })
})

describe('positions that the embedded log does not have', () => {
  test('a read from above the end is out of range', async () => {
    const broker = await openBroker()

    await expect(readAll(broker, place, 1)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  test.each([
    ['above the end', 5, 'OFFSET_OUT_OF_RANGE'],
    ['missing', Number.NaN, 'OFFSET_OUT_OF_RANGE'],
  ])('a member whose start is %s fails', async (_, offset, code) => {
    const broker = await openBroker()
    const codes: string[] = []

    await TestMember.join(broker, {
      group: 'group',
      topics: ['documents'],
      start: () => offset,
      onFailed: (error) => codes.push(error.code),
    })

    await expect.poll(() => codes).toEqual([code])
  })
})

describe('the clock of the embedded broker', () => {
  test('a transaction that stays open too long is aborted, and what waits behind it becomes visible', async () => {
    const clock = new ManualClock()
    const broker = await openBroker({ clock })
    const producer = await broker.producer({ transactionalId: 'transactional', transactionTimeoutMs: 1_000 })
    const transaction = await producer.begin()
    await transaction.send([logRecord(place, 'a', 'never visible')])
    await (await broker.producer()).send([logRecord(place, 'b', 'visible')])

    clock.advance(999)
    const before = await readAll(broker, place)
    clock.advance(1)

    expect(before).toEqual([])
    expect(contents(await readAll(broker, place))).toEqual([[1, 'b', 'visible']])
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    await expect(producer.begin()).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
  })

  test('a transaction that ended in time is not touched by its deadline', async () => {
    const clock = new ManualClock()
    const broker = await openBroker({ clock })
    const producer = await broker.producer({ transactionalId: 'transactional', transactionTimeoutMs: 1_000 })
    await (await producer.begin()).commit()

    clock.advance(2_000)

    await expect(producer.begin()).resolves.toBeDefined()
  })

  test('no timer is left when the broker is closed', async () => {
    const clock = new ManualClock()
    let timers = 0
    const counting: Clock = {
      now: () => clock.now(),
      after(delayMs, action) {
        timers++
        const cancel = clock.after(delayMs, action)
        let isCounted = true
        return () => {
          if (isCounted) timers--
          isCounted = false
          cancel()
        }
      },
    }
    const broker = await openBroker({ clock: counting })
    const producer = await broker.producer({ transactionalId: 'transactional' })
    for (let count = 0; count < 3; count++) await (await producer.begin()).commit()
    await producer.begin()
    const { promise: never } = Promise.withResolvers<void>()
    const stuck = { group: 'group', topics: ['documents'], name: 'stuck', onRevoked: () => never }
    const { journal } = await TestMember.join(broker, stuck)
    const joining = TestMember.join(broker, { group: 'group', topics: ['documents'] })
    await expect.poll(() => journal).toContain('stuck revoked')
    const whileOpen = timers

    await broker.close()

    await expect(joining).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    expect(whileOpen).toBeGreaterThan(2)
    expect(timers).toBe(0)
  })
})
