import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { ProducerIdentity } from '../../src/connectors/kafka/internals.ts'
import type { Outcome } from '../../src/connectors/kafka/transaction-outcomes.ts'
import { type Logger, silentLogger } from '../../src/logger.ts'
import type { TopicPartition } from '../../src/runtime/broker.ts'
import { keepingOldRecords, text, useLog, valuesOf } from '../contracts/broker/harness.ts'
import { KafkaServer } from '../support/kafka-server.ts'
import { kafkaTarget } from '../support/kafka-target.ts'
import { RawTransactions } from '../support/raw-transactions.ts'

describe.skipIf(!inject('kafkaServers'))('a transaction that the broker has called complete without ending it', () => {
  let server: KafkaServer
  beforeAll(async () => {
    server = await KafkaServer.start({ settings: { 'transaction.partition.verification.enable': 'false' } })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  const log = useLog(() => kafkaTarget([server.address]), { waitMs: 60_000 })

  /** An id of producers, the group of their offsets, and where they write: two partitions. */
  async function task() {
    const [input, topic] = [await log.topic(), await log.topic(2, { settings: keepingOldRecords })]
    const places = [0, 1].map((partition) => ({ topic, partition }))
    const warnings: object[] = []
    const logger: Logger = { ...silentLogger, warn: (facts) => void warnings.push(facts) }
    const broker = kafkaBroker({ brokers: [server.address], logger })
    await broker.open()
    const [id, group] = [log.name('transactional'), log.name('group')]
    const open = () => broker.producer({ transactionalId: id, transactionScope: { partitions: places, group } })
    // The coordinators are there when they have answered once.
    await broker.committed(group, [{ topic: input, partition: 0 }])
    await (await open()).close()
    const raw = await RawTransactions.connect(server.address, id, [topic])
    const values = async () => valuesOf((await Promise.all(places.map((place) => log.read(place)))).flat())
    const committed = async () => (await broker.committed(group, [{ topic: input, partition: 0 }]))[0]?.offset
    const close = async () => {
      await raw[Symbol.asyncDispose]()
      await broker.close()
    }
    return { input, group, places, raw, warnings, open, values, committed, [Symbol.asyncDispose]: close }
  }

  type Task = Awaited<ReturnType<typeof task>>

  const ends = async (places: readonly TopicPartition[]) =>
    (await log.broker.offsets(places)).map(({ latest }) => latest)

  /** Decides a transaction, waits for its end in each partition, and writes behind it what then hangs. */
  async function hang({ input, group, places, raw }: Task, producer: ProducerIdentity, outcome: Outcome) {
    const before = await ends(places)
    const sequence = before[0] === 0 ? 0 : 1
    await raw.decide(producer, { partitions: places, group, outcome })
    await log.eventually(async () => expect(await ends(places)).toEqual(before.map((end) => end + 1)))
    for (const place of places) await raw.write(producer, { ...place, value: 'hanging', firstSequence: sequence })
    await raw.writeOffset(producer, group, { topic: input, partition: 0, offset: 7 })
    return before.map((end) => end + 1)
  }

  test('is committed by the next producer, with its offsets, when that was decided', async () => {
    await using own = await task()
    const hangsAt = await hang(own, await own.raw.init(), 'commit')
    const stuck = await ends(own.places)

    const producer = await own.open()

    expect(stuck).toEqual(hangsAt)
    expect(await own.values()).toEqual(['hanging', 'hanging'])
    expect(await own.committed()).toBe(7)
    expect(own.warnings).toMatchObject([{ partitions: expect.arrayContaining([`${own.places[0]?.topic}-0`]) }])
    await producer.close()
  })

  test('is aborted by the next producer when that was decided, which is told', async () => {
    await using own = await task()
    await hang(own, await own.raw.init(), 'abort')

    await expect(own.open()).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' })

    const producer = await own.open()
    expect(await own.values()).toEqual([])
    expect(await own.committed()).toBeUndefined()
    const next = await producer.begin()
    await next.send(own.places.map((place) => text(place, 'next')))
    await next.commit()
    await log.eventually(async () => expect(await own.values()).toEqual(['next', 'next']))
    expect(own.warnings).toHaveLength(1)
    await producer.close()
  })

  test('leaves nothing to warn of where nothing hangs', async () => {
    await using own = await task()
    const first = await own.open()
    const transaction = await first.begin()
    await transaction.send(own.places.map((place) => text(place, 'first')))
    await transaction.sendOffsets(own.group, [{ topic: own.input, partition: 0, offset: 1 }])
    await transaction.commit()
    const open = await first.begin()
    await open.send(own.places.map((place) => text(place, 'open')))

    const second = await own.open()

    expect(await own.values()).toEqual(['first', 'first'])
    expect(own.warnings).toEqual([])
    await Promise.all([first.close(), second.close()])
  })

  test('is not taken for the next one of a producer that has outlived the broker', async () => {
    // given: a producer whose last transaction hangs, and a broker that was away
    await using own = await task()
    const [place = { topic: '', partition: 0 }] = own.places
    const survivor = await own.open()
    const first = await survivor.begin()
    await first.send(own.places.map((each) => text(each, 'first')))
    await first.commit()
    await log.eventually(async () => expect(await own.values()).toEqual(['first', 'first']))
    await hang(own, await own.raw.lastProducer(place), 'commit')
    await server.restart()

    // when: it goes on, fails, and is replaced
    const next = await survivor.begin()
    await expect(next.send([text(place, 'next')])).rejects.toMatchObject({ code: 'PRODUCE_FAILED' })
    await next.abort()
    await survivor.close()
    const successor = await own.open()

    // then: what had been committed is there
    expect(await own.values()).toEqual(['first', 'hanging', 'first', 'hanging'])
    await successor.close()
  }, 60_000)
})
