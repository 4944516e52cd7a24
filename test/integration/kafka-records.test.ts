import { describe, expect, test } from 'vitest'
import { loadKafkaJs } from '../../src/connectors/kafka/compat.ts'
import type { TopicPartition } from '../../src/runtime/broker.ts'
import { numbered, text, useLog, valuesOf } from '../contracts/broker/harness.ts'
import { TestMember } from '../contracts/broker/member.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'

const clientBatchLimit = 500

describe.skipIf(kafkaBrokers.length === 0)('records in a real Kafka', () => {
  const log = useLog(kafkaTarget, { waitMs: 30_000 })

  /** What a member and a read without a group find. */
  async function received(place: TopicPartition, last: string): Promise<{ member: unknown[]; read: unknown[] }> {
    const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [place.topic] })
    await log.eventually(() => expect(member.values(place).at(-1)).toBe(last))
    return { member: member.values(place), read: valuesOf(await log.read(place)) }
  }

  async function deleteRecords({ topic, partition }: TopicPartition, before: number): Promise<void> {
    const { Kafka } = loadKafkaJs()
    const admin = new Kafka({ brokers: [...kafkaBrokers], logLevel: 0 }).admin()
    await admin.connect()
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
    await admin.disconnect()
  }

  test('an aborted transaction of many fetches is passed, from its start and from its middle', async () => {
    const place = { topic: await log.topic(), partition: 0 }
    const producer = await log.producer(log.name('transactional'))
    const aborted = await producer.begin()
    for (let send = 0; send < 8; send++)
      await aborted.send(numbered(40).map((value) => text(place, value.padEnd(10_000, '.'))))
    await aborted.abort()
    const committed = await producer.begin()
    await committed.send([text(place, 'kept'), text(place, 'end')])
    await committed.commit()

    const { member, read } = await received(place, 'end')

    expect({ member, read }).toEqual({ member: ['kept', 'end'], read: ['kept', 'end'] })
    expect(valuesOf(await log.read(place, 170))).toEqual(['kept', 'end'])
  })

  test('a batch that compaction has emptied at the end of a segment is passed', async () => {
    const topic = await log.topic(1, {
      cleanup: 'compact',
      settings: {
        'min.cleanable.dirty.ratio': '0.001',
        'segment.ms': '1000',
        'segment.bytes': '1048576',
        'max.compaction.lag.ms': '1000',
      },
    })
    const place = { topic, partition: 0 }
    const [unique, overwritten] = [await log.producer(), await log.producer()]
    const big = (word: string) =>
      numbered(90, word).map((key) => ({ ...text(place, 'x'.repeat(10_000), key), timestamp: Date.now() }))
    const ten = (value: string) =>
      numbered(10, 'key').map((key) => ({ ...text(place, value, key), timestamp: Date.now() }))
    const tick = async () => {
      // A segment is closed by a record that is a second newer than its first one.
      const second = Date.now() + 1_100
      await log.eventually(() => expect(Date.now()).toBeGreaterThan(second))
      await unique.send([{ ...text(place, 'tick', 'clock'), timestamp: Date.now() }])
    }
    // The last batch of the first segment comes from a producer that writes nothing else: the cleaner keeps it without its records.
    await unique.send(big('first'))
    const gone = await overwritten.send(ten('old'))
    await tick()
    await unique.send([...ten('new'), ...big('second')])
    await tick()
    await log.eventually(async () => {
      await tick()
      expect(valuesOf(await log.read(place, gone[0]))).not.toContain('old')
    })

    await unique.send([{ ...text(place, 'end'), timestamp: Date.now() }])
    const { member, read } = await received(place, 'end')

    // The ticks go on being compacted between the two.
    const [ofMember, ofRead] = [member, read].map((values) => values.filter((value) => value !== 'tick'))
    expect(ofRead?.filter((value) => value === 'new')).toHaveLength(10)
    expect(ofMember).toEqual(ofRead)
  }, 120_000)

  test.each(['gzip', 'zstd'])('records compressed with %s are read', async (codec) => {
    const topic = await log.topic(1, { settings: { 'compression.type': codec } })
    const place = { topic, partition: 0 }
    await log.send(place, ...numbered(100))

    const { member, read } = await received(place, 'record 99')

    expect({ member, read }).toEqual({ member: numbered(100), read: numbered(100) })
  })

  test.each(['snappy', 'lz4'])('records compressed with %s end a member with the name of the codec', async (codec) => {
    const topic = await log.topic(1, { settings: { 'compression.type': codec } })
    await log.send({ topic, partition: 0 }, 'unreadable')
    const failures: string[] = []

    await TestMember.join(log.broker, {
      group: log.name('group'),
      topics: [topic],
      onFailed: (error) => void failures.push(error.message),
    })

    await log.eventually(() =>
      expect(failures[0]).toMatch(new RegExp(`^CONSUMER_DEAD: .*${codec}.* gzip or zstd`, 'i')),
    )
    await expect(log.read({ topic, partition: 0 })).rejects.toThrow(new RegExp(`^CONSUMER_DEAD: .*${codec}`, 'i'))
  })

  test('a send may be larger than a batch that the topic takes', async () => {
    const place = { topic: await log.topic(), partition: 0 }
    const producer = await log.producer()
    const many = numbered(3 * clientBatchLimit + 1)
    const large = numbered(30, 'large').map((value) => value.padEnd(100_000, '.'))

    const offsets = await producer.send([...many, ...large].map((value) => text(place, value)))

    expect(valuesOf(await log.read(place))).toEqual([...many, ...large])
    expect(offsets).toEqual(offsets.map((_, index) => index))
  })

  test('the record that is refused is named among many, and the others of its send are not written twice', async () => {
    const topic = await log.topic(3, { settings: { 'max.message.bytes': '20000' } })
    const producer = await log.producer()
    const records = numbered(60).map((value, index) => text({ topic, partition: index % 3 }, value))
    records[41] = text({ topic, partition: 41 % 3 }, 'x'.repeat(30_000))

    const refused = producer.send(records)

    await expect(refused).rejects.toMatchObject({
      code: 'RECORD_REJECTED',
      details: { index: 41, topic, partition: 2 },
    })
    for (const partition of [0, 1, 2]) {
      const values = valuesOf(await log.read({ topic, partition }))
      expect(new Set(values).size).toBe(values.length)
    }
  })

  test('a topic may keep batches that are smaller than what is sent at once', async () => {
    const topic = await log.topic(1, { settings: { 'max.message.bytes': '2000' } })
    const place = { topic, partition: 0 }
    const producer = await log.producer()

    const offsets = await producer.send(numbered(200).map((value) => text(place, value)))

    expect(valuesOf(await log.read(place))).toEqual(numbered(200))
    expect(offsets).toEqual(offsets.map((_, index) => index))
  })

  test('a timestamp may be 0', async () => {
    const place = { topic: await log.topic(), partition: 0 }
    const producer = await log.producer()

    await producer.send([{ ...text(place, 'at the epoch'), timestamp: 0 }])

    expect((await log.read(place)).map(({ timestamp }) => timestamp)).toEqual([0])
  })

  test('a producer goes on after a topic that it used was deleted', async () => {
    const [gone, place] = [await log.topic(), await log.topic()].map((topic) => ({ topic, partition: 0 }))
    if (!gone || !place) throw new Error('two places')
    const producer = await log.producer()
    await producer.send([text(gone, 'lost')])
    const { Kafka } = loadKafkaJs()
    const admin = new Kafka({ brokers: [...kafkaBrokers], logLevel: 0 }).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [gone.topic] })
    await admin.disconnect()

    await log.eventually(() => expect(producer.send([text(gone, 'refused')])).rejects.toThrow('TOPIC_MISSING'))
    await producer.send([text(place, 'written')])

    expect(valuesOf(await log.read(place))).toEqual(['written'])
  })

  describe('before the first record that is left', () => {
    test('a read is refused', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      await log.send(place, ...numbered(10))
      await deleteRecords(place, 6)

      await expect(log.read(place, 5)).rejects.toMatchObject({
        code: 'OFFSET_OUT_OF_RANGE',
        details: { ...place, offset: 5 },
      })
      expect(valuesOf(await log.read(place, 6))).toEqual(numbered(10).slice(6))
      expect(await log.broker.offsets([place])).toEqual([{ ...place, earliest: 6, latest: 10 }])
    })

    test('a member ends, and commits nothing in the place of its listener', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const group = log.name('group')
      await log.send(place, ...numbered(10))
      await deleteRecords(place, 6)
      const failures: unknown[] = []

      await TestMember.join(log.broker, {
        group,
        topics: [place.topic],
        start: () => 2,
        onFailed: (error) => void failures.push(error),
      })

      await log.eventually(() =>
        expect(failures).toMatchObject([{ code: 'OFFSET_OUT_OF_RANGE', details: { ...place, group } }]),
      )
      expect(await log.broker.committed(group, [place])).toMatchObject([{ offset: undefined }])
    })
  })
})
