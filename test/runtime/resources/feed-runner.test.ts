import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { FeedRunner } from '../../../src/runtime/resources/feed-runner.ts'
import type { Feed, FeedRecord } from '../../../src/topology/feed.ts'
import { contents, readAll } from '../../support/log-records.ts'

const place = { topic: 'documents', partition: 0 }

/** A feed of one batch for each run; its cursor is the number of runs. */
function feedOf(batches: readonly (readonly FeedRecord[])[]): Feed<number> {
  const stats = { scanned: 0, changed: 0, unchanged: 0, deleted: 0, skipped: 0 }
  return {
    name: 'feed',
    stats,
    async *read(cursor = 0) {
      yield { records: batches[cursor] ?? [], cursor: cursor + 1, problems: [], caughtUp: true }
    },
  }
}

const record = (key: string, text: string | null): FeedRecord => ({
  key,
  value: text === null ? null : Buffer.from(text),
  timestamp: 1,
})

async function openBroker(maxMessageBytes = 200): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  const settings = { 'max.message.bytes': String(maxMessageBytes) }
  await broker.createTopics([{ topic: place.topic, partitions: 1, cleanup: 'compact', settings }])
  return broker
}

/** One run; resolves with the places of its problems. */
async function run(broker: Broker, feed: Feed<number>): Promise<string[]> {
  const problems: string[] = []
  const runner = new FeedRunner({
    feed,
    broker,
    topic: place.topic,
    cursorTopic: 'cursors',
    clock: new ManualClock(0),
    onProblem: (problem) => problems.push(`${problem.place}: ${problem.reason}`),
  })
  await runner.run(new AbortController().signal)
  return problems
}

const written = async (broker: Broker) => contents(await readAll(broker, place)).map(([, key, value]) => [key, value])

describe('a record that the topic does not take', () => {
  const long = 'x'.repeat(500)

  test('is named, and the others are written', async () => {
    await using broker = await openBroker()

    const problems = await run(
      broker,
      feedOf([[record('a', '1'), record('b', long), record('c', long), record('d', '2')]]),
    )

    expect(await written(broker)).toEqual([
      ['a', '1'],
      ['d', '2'],
    ])
    expect(problems).toEqual([
      expect.stringMatching(/^b: topic "documents" does not take .* the limit is 200$/),
      expect.stringMatching(/^c: topic "documents" does not take /),
    ])
  })

  test('is named by every run until another version of it is taken', async () => {
    await using broker = await openBroker()
    const feed = feedOf([[record('a', '1'), record('b', long)], [], [record('b', 'short')], []])

    const runs = [await run(broker, feed), await run(broker, feed), await run(broker, feed), await run(broker, feed)]

    expect(runs.map((problems) => problems.length)).toEqual([1, 1, 0, 0])
    expect(runs[1]).toEqual(runs[0])
  })

  test('is forgotten when it is deleted, or followed by one that fits', async () => {
    await using broker = await openBroker()
    const feed = feedOf([[record('a', long), record('a', '1'), record('b', long)], [record('b', null)], []])

    const runs = [await run(broker, feed), await run(broker, feed), await run(broker, feed)]

    expect(runs.map((problems) => problems.length)).toEqual([2, 0, 0])
    expect(await written(broker)).toEqual([
      ['a', '1'],
      ['b', null],
    ])
  })
})

test('a topic that was deleted and made again gets everything', async () => {
  await using broker = await openBroker()
  await broker.createTopics([{ topic: 'again', partitions: 2 }])
  const feed = feedOf([[record('a', '1')], []])
  const runInto = (topic: string) =>
    new FeedRunner({ feed, broker, topic, cursorTopic: 'cursors', clock: new ManualClock(0) }).run(
      new AbortController().signal,
    )

  // A new topic under the old cursor is what deleting and making it looks like.
  await runInto(place.topic)
  await runInto('again')
  const parts = await Promise.all([0, 1].map((partition) => readAll(broker, { topic: 'again', partition })))

  expect(contents(parts.flat()).map(([, key]) => key)).toEqual(['a'])
})
