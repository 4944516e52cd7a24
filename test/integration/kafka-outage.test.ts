import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { keepingOldRecords, numbered, text, useLog } from '../contracts/broker/harness.ts'
import { TestMember } from '../contracts/broker/member.ts'
import { KafkaServer } from '../support/kafka-server.ts'
import { kafkaTarget } from '../support/kafka-target.ts'

const outageMs = 6_000

describe.skipIf(!inject('kafkaServers'))('while a real Kafka is away', () => {
  let server: KafkaServer
  beforeAll(async () => {
    server = await KafkaServer.start()
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const log = useLog(() => kafkaTarget([server.address]), { waitMs: 60_000 })

  afterEach(async () => {
    if (!server.isRunning) await server.restart()
  })

  /** A member that has received a record, so that its first assignment is behind it. */
  async function readingMember() {
    const place = { topic: await log.topic(1, { settings: keepingOldRecords }), partition: 0 }
    const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [place.topic] })
    await log.send(place, 'before')
    await log.eventually(() => expect(member.values(place)).toEqual(['before']))
    return { place, member }
  }

  const pass = async (durationMs: number) => {
    const end = Date.now() + durationMs
    await log.eventually(() => expect(Date.now()).toBeGreaterThan(end))
  }

  test.each(['kill', 'stop'] as const)(
    'members and producers survive its restart: %s',
    async (how) => {
      // Several, because what a member is doing at that moment differs.
      const survivors = await Promise.all(Array.from({ length: 8 }, () => readingMember()))
      const places = survivors.map(({ place }) => place)
      const producer = await log.producer()

      await server[how]()
      const sending = producer.send(places.flatMap((place) => numbered(10).map((value) => text(place, value))))
      await pass(outageMs)
      await server.restart()
      await sending
      await producer.send(places.map((place) => text(place, 'after')))

      for (const { place, member } of survivors) {
        await log.eventually(() => expect(member.values(place)).toEqual(['before', ...numbered(10), 'after']))
        await log.eventually(() => member.member.commit([{ ...place, offset: 12 }]))
        expect(member.journal).not.toContain('member lost')
      }
    },
    120_000,
  )

  test('a commit may be tried again', async () => {
    const { place, member } = await readingMember()
    await server.kill()

    const commit = member.member.commit([{ ...place, offset: 0 }])

    await expect(commit).rejects.toMatchObject({ code: 'COMMIT_FAILED', reaction: 'retry' })
    await server.restart()
    await log.eventually(() => member.member.commit([{ ...place, offset: 1 }]))
    expect(await log.broker.committed(member.group, [place])).toMatchObject([{ offset: 1 }])
  }, 120_000)

  test('a member can leave', async () => {
    const { member } = await readingMember()
    await server.kill()

    await member.member.leave()

    expect(member.journal).toEqual(['member assigned 0', 'member revoked', 'member gave up'])
  }, 120_000)
})

describe('a Kafka that is not there', () => {
  test('cannot be opened, and the error names its addresses', async () => {
    const broker = kafkaBroker({ brokers: ['127.0.0.1:1', '127.0.0.1:2'] })

    await expect(broker.open()).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
      fact: expect.stringMatching(/kafka 127\.0\.0\.1:1,127\.0\.0\.1:2 does not answer: .*ECONNREFUSED/),
    })
    await expect(broker.topics(['documents'])).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  })

  test.each(['127.0.0.1', '[::1]:9092', 'kafka://127.0.0.1:9092', ''])('is not looked for at "%s"', (address) => {
    expect(() => kafkaBroker({ brokers: [address] })).toThrow(/CONFIG_INVALID: .* host:port/)
  })
})
