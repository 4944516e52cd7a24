import type { RecordMetadata, TopicMessages } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/clock.ts'
import { type BatchSender, sendRecords } from '../../../src/connectors/kafka/sender.ts'
import type { ProducerRecord } from '../../../src/runtime/broker.ts'

const topic = 'documents'
const poison = 'poison'

function record(partition: number, value: string): ProducerRecord {
  return { topic, partition, key: null, value: Buffer.from(value), timestamp: 0, headers: [] }
}

function failure(type: string, retriable: boolean): Error {
  return Object.assign(new Error(type), { type, retriable })
}

/** Time that passes as soon as somebody waits for it. */
class HurryingClock implements Clock {
  #now = 0

  now(): number {
    return this.#now
  }

  after(delayMs: number, action: () => void): () => void {
    this.#now += delayMs
    const immediate = setImmediate(action)
    return () => clearImmediate(immediate)
  }
}

/** How a request ends: written, refused for the moment, written without an answer, answered without these partitions. */
type Outcome = 'written' | 'refused' | 'answer lost' | { readonly leftOut: readonly number[] }

/**
 * Brokers and the sequence numbers of an idempotent producer. A batch that the brokers know by its number is not written again. As in
 * KafkaJS a failed request takes its numbers back, also those of partitions that were written.
 */
class FakeCluster implements BatchSender {
  /** One line a request: its batches as `partition: values`. */
  readonly requests: string[] = []
  leaderOf = (partition: number): number | undefined => (partition < 4 ? 1 + (partition % 2) : undefined)
  outcome: (request: number) => Outcome = () => 'written'
  readonly #log = new Map<number, string[]>()
  readonly #sequences = new Map<number, number>()
  readonly #known = new Map<string, number>()

  async leaders(): Promise<ReadonlyMap<number, number>> {
    const partitions = [0, 1, 2, 3].map((partition) => [partition, this.leaderOf(partition) ?? -1] as const)
    return new Map(partitions)
  }

  async sendBatch({ topicMessages }: { readonly topicMessages: TopicMessages[] }): Promise<RecordMetadata[]> {
    const messages = topicMessages.flatMap((one) => one.messages)
    const batches = [...Map.groupBy(messages, ({ partition = -1 }) => partition)].map(([partition, batch]) => ({
      partition,
      values: batch.map(({ value }) => String(value)),
    }))
    this.requests.push(batches.map(({ partition, values }) => `${partition}: ${values.join(' ')}`).join(', '))
    expect(new Set(batches.map(({ partition }) => this.leaderOf(partition))).size).toBe(1)
    const outcome = this.outcome(this.requests.length)
    if (outcome === 'refused') throw failure('NOT_LEADER_FOR_PARTITION', true)
    const leftOut = typeof outcome === 'object' ? outcome.leftOut : []
    const due = batches.filter(({ partition }) => !leftOut.includes(partition))
    const isPoisoned = due.some(({ values }) => values.includes(poison))
    const answers = due.filter(({ values }) => !values.includes(poison)).map((batch) => this.#append(batch))
    if (isPoisoned) throw failure('MESSAGE_TOO_LARGE', false)
    if (outcome === 'answer lost') throw failure('REQUEST_TIMED_OUT', true)
    for (const { partition, values } of due)
      this.#sequences.set(partition, (this.#sequences.get(partition) ?? 0) + values.length)
    return answers
  }

  values(partition: number): readonly string[] {
    return this.#log.get(partition) ?? []
  }

  #append({ partition, values }: { readonly partition: number; readonly values: readonly string[] }): RecordMetadata {
    const number = `${partition} ${this.#sequences.get(partition) ?? 0} ${values.length}`
    const before = this.values(partition)
    const offset = this.#known.get(number) ?? before.length
    if (!this.#known.has(number)) this.#log.set(partition, [...before, ...values])
    this.#known.set(number, offset)
    return { topicName: topic, partition, errorCode: 0, baseOffset: String(offset) }
  }
}

const send = (cluster: BatchSender, records: readonly ProducerRecord[]) =>
  sendRecords(cluster, records, { clock: new HurryingClock() })

describe('sending records', () => {
  test('a request goes to one broker, with one batch for each of its partitions', async () => {
    const cluster = new FakeCluster()

    await send(cluster, [record(0, 'a'), record(1, 'b'), record(2, 'c'), record(0, 'd'), record(3, 'e')])

    expect(cluster.requests).toEqual(['0: a d, 2: c', '1: b, 3: e'])
  })

  test('offsets come in the order of the records', async () => {
    const cluster = new FakeCluster()
    await send(cluster, [record(1, 'before')])

    const offsets = await send(cluster, [record(0, 'a'), record(1, 'b'), record(0, 'c'), record(1, 'd')])

    expect(offsets).toEqual([0, 1, 1, 2])
  })

  test.each([
    ['large records', Array.from({ length: 5 }, (_, index) => `${index}`.repeat(200_000)), [2, 2, 1]],
    ['one record that is larger than a batch', ['x'.repeat(900_000), 'small'], [1, 1]],
  ])('%s are sent in batches that arrive in their order', async (_name, values, sizes) => {
    const cluster = new FakeCluster()

    await send(
      cluster,
      values.map((value) => record(0, value)),
    )

    expect(cluster.requests.map((batch) => batch.slice(3).split(' ').length)).toEqual(sizes)
    expect(cluster.values(0)).toEqual(values)
  })

  test('who may not write any more is not repeated, and hears why', async () => {
    const cluster = new FakeCluster()
    cluster.outcome = () => 'refused'
    const lost = new Error('another one owns it')
    const guard = () => {
      if (cluster.requests.length === 2) throw lost
    }

    await expect(sendRecords(cluster, [record(0, 'a')], { clock: new HurryingClock(), guard })).rejects.toBe(lost)

    expect(cluster.requests).toEqual(['0: a', '0: a'])
  })

  test.each<Outcome>(['refused', 'answer lost'])('what is %s is repeated, and written once', async (outcome) => {
    const cluster = new FakeCluster()
    cluster.outcome = (request) => (request === 1 ? outcome : 'written')

    const offsets = await send(cluster, [record(0, 'a'), record(1, 'b'), record(2, 'c'), record(0, 'd')])

    expect(cluster.requests).toEqual(['0: a d, 2: c', '1: b', '0: a d, 2: c'])
    expect([0, 1, 2].map((partition) => cluster.values(partition))).toEqual([['a', 'd'], ['b'], ['c']])
    expect(offsets).toEqual([0, 0, 0, 1])
  })

  test('partitions whose leader is gone go to their new ones, and are written once', async () => {
    const cluster = new FakeCluster()
    cluster.outcome = (request) => {
      if (request > 1) return 'written'
      // The broker that led both of them has written both, and is gone before it answers.
      cluster.leaderOf = (partition) => (partition === 0 ? 2 : 3)
      return 'answer lost'
    }

    const offsets = await send(cluster, [record(0, 'a'), record(2, 'b')])

    expect(cluster.requests).toEqual(['0: a, 2: b', '0: a', '2: b'])
    expect([cluster.values(0), cluster.values(2)]).toEqual([['a'], ['b']])
    expect(offsets).toEqual([0, 0])
  })

  test('a partition that is left out of the answer is sent again, and it alone', async () => {
    const cluster = new FakeCluster()
    cluster.outcome = (request) => (request === 1 ? { leftOut: [2] } : 'written')

    const offsets = await send(cluster, [record(0, 'a'), record(2, 'b')])

    expect(cluster.requests).toEqual(['0: a, 2: b', '2: b'])
    expect(offsets).toEqual([0, 0])
  })

  test.each<Outcome>([{ leftOut: [0] }, 'refused'])(
    'a partition that never takes its records fails',
    async (outcome) => {
      const cluster = new FakeCluster()
      cluster.outcome = () => outcome

      await expect(send(cluster, [record(0, 'a')])).rejects.toMatchObject({ retriable: true })
    },
  )

  test('a partition that does not exist is missing', async () => {
    const cluster = new FakeCluster()

    const sending = send(cluster, [record(0, 'a'), record(9, 'b')])

    await expect(sending).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
    expect(cluster.requests).toEqual([])
  })

  test('the refused record is found by halves, and what was written with it is not written twice', async () => {
    const cluster = new FakeCluster()
    const records = [
      ...[record(0, 'a'), record(2, 'b'), record(0, 'c'), record(2, 'd')],
      ...[record(2, poison), record(0, 'e'), record(2, 'f')],
    ]

    const sending = send(cluster, records)

    await expect(sending).rejects.toMatchObject({ code: 'RECORD_REJECTED', details: { index: 4, topic, partition: 2 } })
    expect(cluster.requests).toEqual([
      ...['0: a c e, 2: b d poison f', '0: a c e', '2: b d poison f'],
      ...['2: b d', '2: poison f', '2: poison'],
    ])
    expect([cluster.values(0), cluster.values(2)]).toEqual([
      ['a', 'c', 'e'],
      ['b', 'd'],
    ])
  })

  test('any other failure is passed on as it is, once all brokers have answered', async () => {
    const fatal = failure('TOPIC_AUTHORIZATION_FAILED', false)
    const cluster = new FakeCluster()
    cluster.outcome = (request) => {
      if (request === 1) throw fatal
      return 'written'
    }

    await expect(send(cluster, [record(0, 'a'), record(1, 'b')])).rejects.toBe(fatal)
    expect(cluster.values(1)).toEqual(['b'])
  })

  test('a timestamp of 0 is sent as text, bytes as a Buffer', async () => {
    const sent: TopicMessages[] = []
    const cluster = new FakeCluster()
    const sendBatch = cluster.sendBatch.bind(cluster)
    cluster.sendBatch = (batch) => {
      sent.push(...batch.topicMessages)
      return sendBatch(batch)
    }

    await send(cluster, [{ ...record(0, ''), key: Uint8Array.of(1, 2), value: Uint8Array.of(3) }])

    expect(sent[0]?.messages[0]).toMatchObject({ timestamp: '0', key: Buffer.of(1, 2), value: Buffer.of(3) })
  })
})
