import { describe, expect, test } from 'vitest'
import { type Log, text, valuesOf } from './harness.ts'

export function topicFeatures(log: Log): void {
  describe('topics', () => {
    test('only topics that exist are described', async () => {
      const topic = await log.topic(3)
      const absent = log.name('absent')

      const found = await log.broker.topics([topic, absent])

      expect([...found]).toEqual([[topic, { topic, partitions: 3, cleanup: 'delete' }]])
    })

    test.each(['compact', 'delete', 'compact,delete'] as const)(
      'it is told what happens to old records: %s',
      async (cleanup) => {
        const topic = await log.topic(1, { cleanup })

        const found = await log.broker.topics([topic])

        expect(found.get(topic)?.cleanup).toBe(cleanup)
      },
    )

    test('a new partition is empty and can be written at once', async () => {
      const topic = await log.topic(2)
      const place = { topic, partition: 1 }

      const before = await log.broker.offsets([{ topic, partition: 0 }, place])
      await log.send(place, 'first')

      expect(before).toEqual([
        { topic, partition: 0, earliest: 0, latest: 0 },
        { topic, partition: 1, earliest: 0, latest: 0 },
      ])
      expect(valuesOf(await log.read(place))).toEqual(['first'])
    })

    test('creating a topic that exists leaves it as it is', async () => {
      const topic = await log.topic(2)
      await log.send({ topic, partition: 0 }, 'kept')

      await log.broker.createTopics([{ topic, partitions: 2 }])

      expect(valuesOf(await log.read({ topic, partition: 0 }))).toEqual(['kept'])
    })

    test('two clients may create a topic at the same time', async () => {
      const other = await log.another()
      const topic = log.name('documents')

      await Promise.all([log.broker, other].map((broker) => broker.createTopics([{ topic, partitions: 4 }])))

      expect((await other.topics([topic])).get(topic)).toMatchObject({ topic, partitions: 4 })
    })

    test('a topic with another number of partitions is a mismatch', async () => {
      const topic = await log.topic(2)

      const creation = log.broker.createTopics([{ topic, partitions: 3 }])

      await expect(creation).rejects.toMatchObject({ code: 'TOPIC_MISMATCH' })
    })

    test('a missing topic can be neither written nor read', async () => {
      const place = { topic: log.name('absent'), partition: 0 }
      const producer = await log.producer()

      const sent = producer.send([text(place, 'lost')])

      await expect(sent).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
      await expect(log.read(place)).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
      await expect(log.broker.offsets([place])).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
    })

    test('another client sees topics and records', async () => {
      const topic = await log.topic(1)
      await log.send({ topic, partition: 0 }, 'a', 'b')
      const other = await log.another()

      const [offsets] = await other.offsets([{ topic, partition: 0 }])

      expect(offsets?.latest).toBe(2)
    })
  })
}
