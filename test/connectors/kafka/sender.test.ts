import type { RecordMetadata, TopicMessages } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { type BatchSender, sendRecords } from '../../../src/connectors/kafka/sender.ts'
import type { ProducerRecord } from '../../../src/runtime/broker.ts'

const topic = 'documents'
const poison = 'poison'

function record(partition: number, value: string): ProducerRecord {
  return { topic, partition, key: null, value: Buffer.from(value), timestamp: 0, headers: [] }
}

/** A cluster whose partitions are led in turn by brokers 1 and 2; it refuses a batch of records with `poison` in it. */
class FakeCluster implements BatchSender {
  /** The values of each batch by partition, one line a request. */
  readonly requests: string[][] = []
  readonly #log = new Map<number, string[]>()
  /** Called for each request; partitions that it returns are left out of the answer, as if KafkaJS had forgotten them. */
  forget: (request: number) => readonly number[] = () => []

  async leaders(): Promise<ReadonlyMap<number, number>> {
    return new Map([0, 1, 2, 3].map((partition) => [partition, 1 + (partition % 2)]))
  }

  async sendBatch({ topicMessages }: { readonly topicMessages: TopicMessages[] }): Promise<RecordMetadata[]> {
    const messages = topicMessages.flatMap((one) => one.messages)
    const batches = Map.groupBy(messages, ({ partition = -1 }) => partition)
    this.requests.push(
      [...batches].map(([partition, batch]) => `${partition}: ${batch.map(({ value }) => value).join(' ')}`),
    )
    const forgotten = this.forget(this.requests.length)
    if (messages.some(({ value }) => String(value) === poison))
      throw Object.assign(new Error('The message is too large'), { type: 'MESSAGE_TOO_LARGE', retriable: false })
    const answered = [...batches].filter(([partition]) => !forgotten.includes(partition))
    return answered.map(([partition, batch]) => ({
      topicName: topic,
      partition,
      errorCode: 0,
      baseOffset: String(
        this.#append(
          partition,
          batch.map(({ value }) => String(value)),
        ),
      ),
    }))
  }

  values(partition: number): readonly string[] {
    return this.#log.get(partition) ?? []
  }

  #append(partition: number, values: readonly string[]): number {
    const before = this.values(partition)
    this.#log.set(partition, [...before, ...values])
    return before.length
  }
}

describe('sending records', () => {
  test('a request goes to one broker, with one batch for each of its partitions', async () => {
    const cluster = new FakeCluster()

    await sendRecords(cluster, [record(0, 'a'), record(1, 'b'), record(2, 'c'), record(0, 'd'), record(3, 'e')])

    expect(cluster.requests).toEqual([
      ['0: a d', '2: c'],
      ['1: b', '3: e'],
    ])
  })

  test('offsets come in the order of the records', async () => {
    const cluster = new FakeCluster()
    await sendRecords(cluster, [record(1, 'before')])

    const offsets = await sendRecords(cluster, [record(0, 'a'), record(1, 'b'), record(0, 'c'), record(1, 'd')])

    expect(offsets).toEqual([0, 1, 1, 2])
  })

  test.each([
    ['many records', Array.from({ length: 1_201 }, (_, index) => `${index}`), [500, 500, 201]],
    ['large records', Array.from({ length: 5 }, () => 'x'.repeat(200_000)), [2, 2, 1]],
    ['one record that is larger than a batch', ['x'.repeat(900_000), 'small'], [1, 1]],
  ])('%s are sent in batches that arrive in their order', async (_name, values, sizes) => {
    const cluster = new FakeCluster()

    await sendRecords(
      cluster,
      values.map((value) => record(0, value)),
    )

    expect(cluster.requests.map(([batch = '']) => batch.slice(3).split(' ').length)).toEqual(sizes)
    expect(cluster.values(0)).toEqual(values)
  })

  test('a partition without an answer is sent again, and it alone', async () => {
    const cluster = new FakeCluster()
    cluster.forget = (request) => (request === 1 ? [2] : [])

    const offsets = await sendRecords(cluster, [record(0, 'a'), record(2, 'b')])

    expect(cluster.requests).toEqual([['0: a', '2: b'], ['2: b']])
    expect(offsets[0]).toBe(0)
    expect(offsets[1]).toBeTypeOf('number')
  })

  test('a partition that never answers is a failure, not a success', async () => {
    const cluster = new FakeCluster()
    cluster.forget = () => [0]

    await expect(sendRecords(cluster, [record(0, 'a')])).rejects.toMatchObject({ code: 'PRODUCE_FAILED' })
  })

  test('a partition that does not exist is missing', async () => {
    const cluster = new FakeCluster()

    await expect(sendRecords(cluster, [record(0, 'a'), record(9, 'b')])).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
    })
    expect(cluster.requests).toEqual([])
  })

  test('the refused record is found by halves; batches of other partitions are repeated as they were', async () => {
    const cluster = new FakeCluster()
    const records = [
      ...[record(0, 'a'), record(2, 'b'), record(0, 'c'), record(2, 'd')],
      ...[record(2, poison), record(0, 'e'), record(2, 'f')],
    ]

    const sending = sendRecords(cluster, records)

    await expect(sending).rejects.toMatchObject({ code: 'RECORD_REJECTED', details: { index: 4, topic, partition: 2 } })
    expect(cluster.requests).toEqual([
      ['0: a c e', '2: b d poison f'],
      ['0: a c e'],
      ['2: b d poison f'],
      ['2: b d'],
      ['2: poison f'],
      ['2: poison'],
    ])
  })

  test('any other failure is passed on as it is', async () => {
    const failure = Object.assign(new Error('not enough replicas'), { type: 'NOT_ENOUGH_REPLICAS' })
    const cluster = new FakeCluster()
    cluster.forget = () => {
      throw failure
    }

    await expect(sendRecords(cluster, [record(0, 'a')])).rejects.toBe(failure)
    expect(cluster.requests).toHaveLength(1)
  })

  test('a timestamp of 0 is sent as text, bytes as a Buffer', async () => {
    const sent: TopicMessages[] = []
    const cluster = new FakeCluster()
    const sendBatch = cluster.sendBatch.bind(cluster)
    cluster.sendBatch = (batch) => {
      sent.push(...batch.topicMessages)
      return sendBatch(batch)
    }

    await sendRecords(cluster, [{ ...record(0, ''), key: Uint8Array.of(1, 2), value: Uint8Array.of(3) }])

    expect(sent[0]?.messages[0]).toMatchObject({ timestamp: '0', key: Buffer.of(1, 2), value: Buffer.of(3) })
  })
})
