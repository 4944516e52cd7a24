import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { isStreamError } from '../../src/errors.ts'
import type { Producer } from '../../src/runtime/broker.ts'
import { keepingOldRecords, text, useLog, valuesOf } from '../contracts/broker/harness.ts'
import { TestMember } from '../contracts/broker/member.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { kafkaTarget } from '../support/kafka-target.ts'

const partitions = [0, 1, 2, 3, 4, 5]
const roundsBetween = 30

describe.skipIf(!inject('kafkaServers'))('a Kafka of three brokers', () => {
  let cluster: KafkaCluster
  beforeAll(async () => {
    cluster = await KafkaCluster.start()
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  const log = useLog(() => kafkaTarget(cluster.addresses), { waitMs: 60_000 })

  /** Writes round after round, one record for each partition, until it is stopped. Notes the rounds that were acknowledged. */
  function writer(write: (round: number) => Promise<void>) {
    const acknowledged: number[] = []
    let isStopped = false
    const running = (async () => {
      for (let round = 0; !isStopped; round++) {
        await write(round)
        acknowledged.push(round)
      }
    })()
    const stop = async () => {
      isStopped = true
      await running
    }
    return { acknowledged, stop }
  }

  const roundOf = (topic: string, round: number) =>
    partitions.map((partition) => text({ topic, partition }, `${round}`))

  test('loses and repeats nothing while each of its brokers is killed once', async () => {
    const topic = () => log.topic(partitions.length, { settings: keepingOldRecords })
    const [plain, transactional] = [await topic(), await topic()]
    const group = log.name('group')
    const member = await TestMember.join(log.broker, { group, topics: [plain], name: 'member' })
    const producer = await log.producer()
    const id = log.name('transactional')
    let inTransactions: Producer = await log.producer(id)
    const writers = [
      writer(async (round) => void (await producer.send(roundOf(plain, round)))),
      writer(async (round) => {
        const sure = await commitRound(inTransactions, roundOf(transactional, round))
        // The coordinator was killed with the answer to the commit: a new producer waits for the outcome, the records tell it.
        if (!sure) inTransactions = await log.producer(id)
      }),
    ]
    const progress = async () => {
      const before = writers.map(({ acknowledged }) => acknowledged.length)
      await log.eventually(() => {
        for (const [index, { acknowledged }] of writers.entries())
          expect(acknowledged.length).toBeGreaterThan((before[index] ?? 0) + roundsBetween)
      })
      await member.member.commit([
        { topic: plain, partition: 0, offset: member.position({ topic: plain, partition: 0 }) ?? 0 },
      ])
    }

    await progress()
    for (const server of cluster.servers) {
      await server.kill()
      await progress()
      await server.restart()
      await progress()
    }
    await Promise.all(writers.map(({ stop }) => stop()))

    for (const partition of partitions) {
      const written = valuesOf(await log.read({ topic: plain, partition }))
      expect(written).toEqual(writers[0]?.acknowledged.map(String))
      await log.eventually(() => expect(member.values({ topic: plain, partition })).toEqual(written))
      const committed = valuesOf(await log.read({ topic: transactional, partition }))
      expect(committed).toEqual(valuesOf(await log.read({ topic: transactional, partition: 0 })))
      expect(new Set(committed).size).toBe(committed.length)
    }
    expect(member.journal).toEqual(['member assigned 0 1 2 3 4 5'])
  }, 240_000)

  test('takes a write as soon as enough replicas are in sync again, and loses nothing meanwhile', async () => {
    const topic = await log.topic(1, { settings: { ...keepingOldRecords, 'min.insync.replicas': '3' } })
    const place = { topic, partition: 0 }
    const producer = await log.producer()
    await producer.send([text(place, 'before')])
    const [server] = cluster.servers
    let isWritten = false

    await server?.kill()
    const sending = producer.send([text(place, 'kept')]).then(() => {
      isWritten = true
    })
    const waited = Date.now() + 8_000
    await log.eventually(() => expect(Date.now()).toBeGreaterThan(waited))
    const wasWritten = isWritten
    await server?.restart()
    await sending

    expect(wasWritten).toBe(false)
    expect(valuesOf(await log.read(place))).toEqual(['before', 'kept'])
  }, 120_000)
})

/** False when nobody can say whether it was committed. */
async function commitRound(producer: Producer, records: Parameters<Producer['send']>[0]): Promise<boolean> {
  try {
    const transaction = await producer.begin()
    await transaction.send(records)
    await transaction.commit()
    return true
  } catch (error) {
    if (isStreamError(error) && error.code === 'PRODUCE_FAILED') return false
    throw error
  }
}
