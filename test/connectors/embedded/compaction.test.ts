import { describe, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { TestMember } from '../../contracts/broker/member.ts'
import { contents, logRecord, readAll } from '../../support/log-records.ts'

const place = { topic: 'compacted', partition: 0 }
const cleanIntervalMs = 1_000

async function openCompacted(settings: Record<string, string> = {}, cleanup: 'compact' | 'compact,delete' = 'compact') {
  const clock = new ManualClock()
  const broker = embeddedBroker({ clock, cleanIntervalMs })
  onTestFinished(() => broker.close())
  await broker.open()
  await broker.createTopics([{ topic: place.topic, partitions: 1, cleanup, settings }])
  const producer = await broker.producer()
  const write = (...entries: readonly (readonly [key: string, value: string | null])[]) =>
    producer.send(entries.map(([key, value]) => logRecord(place, key, value, clock.now())))
  return { broker, clock, write, offsets: async () => contents(await readAll(broker, place)).map(([offset]) => offset) }
}

describe('compaction', () => {
  test('keeps the last value of each key where it was', async () => {
    const { broker, write } = await openCompacted()
    await write(['a', '1'], ['b', '1'], ['a', '2'], ['c', '1'], ['a', '3'], ['c', '2'])

    await broker.compact(place.topic)

    expect(contents(await readAll(broker, place))).toEqual([
      [1, 'b', '1'],
      [4, 'a', '3'],
      [5, 'c', '2'],
    ])
    expect(await broker.offsets([place])).toEqual([{ ...place, earliest: 0, latest: 6 }])
    expect(contents(await readAll(broker, place, 2))).toEqual([
      [4, 'a', '3'],
      [5, 'c', '2'],
    ])
  })

  test('what an earlier pass has kept goes when a newer value comes', async () => {
    const { broker, write } = await openCompacted()
    await write(['a', '1'], ['b', '1'])
    await broker.compact(place.topic)
    await write(['a', '2'])

    await broker.compact(place.topic)

    expect(contents(await readAll(broker, place))).toEqual([
      [1, 'b', '1'],
      [2, 'a', '2'],
    ])
  })

  test('a tombstone stays for its retention, counted from the pass that removed the value', async () => {
    const { broker, clock, write, offsets } = await openCompacted({ 'delete.retention.ms': '60000' })
    await write(['a', '1'], ['b', '1'], ['a', null])
    clock.advance(500_000)

    await broker.compact(place.topic)
    const met = await offsets()
    clock.advance(59_999)
    await broker.compact(place.topic)
    const kept = await offsets()
    clock.advance(1)
    await broker.compact(place.topic)

    expect([met, kept, await offsets()]).toEqual([[1, 2], [1, 2], [1]])
  })

  test('records of an open transaction, and those behind it, are left alone', async () => {
    const { broker, write } = await openCompacted()
    await write(['a', '1'], ['a', '2'])
    const transaction = await (await broker.producer({ transactionalId: 'open' })).begin()
    await transaction.send([logRecord(place, 'a', '3')])
    await write(['b', '1'])

    await broker.compact(place.topic)
    const during = contents(await readAll(broker, place))
    await transaction.commit()
    await broker.compact(place.topic)

    expect(during).toEqual([[1, 'a', '2']])
    expect(contents(await readAll(broker, place))).toEqual([
      [2, 'a', '3'],
      [3, 'b', '1'],
    ])
  })

  test('a reader in the middle sees no record twice and none out of order', async () => {
    const { broker, write } = await openCompacted()
    for (let version = 0; version < 20; version++) {
      await write(...Array.from({ length: 100 }, (_, key) => [`key ${key}`, `${version}`] as const))
    }
    const seen: number[] = []

    for await (const { records } of broker.read(place, 0)) {
      if (seen.length === 0) await broker.compact(place.topic)
      seen.push(...records.map(({ offset }) => offset))
    }

    expect(seen.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, offset) => offset))
    expect(seen.slice(500)).toEqual(Array.from({ length: 100 }, (_, key) => 1_900 + key))
  })

  test('a member learns of the position behind what was removed', async () => {
    const { broker, clock, write } = await openCompacted({ 'delete.retention.ms': '0' })
    await write(['a', '1'], ['a', null])
    await broker.compact(place.topic)
    clock.advance(1)
    await broker.compact(place.topic)

    const member = await TestMember.join(broker, { group: 'group', topics: [place.topic] })

    await expect.poll(() => member.position(place)).toBe(2)
    expect(member.records(place)).toEqual([])
  })

  test('runs by itself when more than half has not been looked at', async () => {
    const { clock, write, offsets } = await openCompacted()
    const later = async () => {
      clock.advance(cleanIntervalMs)
      return offsets()
    }
    await write(['a', '1'], ['b', '1'], ['a', '2'], ['b', '2'])
    await expect.poll(later).toEqual([2, 3])

    await write(['a', '3'], ['b', '3'])
    const atHalf = [await later(), await later(), await later()]
    await write(['a', '4'])

    expect(atHalf).toEqual([
      [2, 3, 4, 5],
      [2, 3, 4, 5],
      [2, 3, 4, 5],
    ])
    await expect.poll(later).toEqual([5, 6])
  })
})

describe('retention', () => {
  test('records older than retention.ms go from the start of the partition', async () => {
    const { broker, clock, write } = await openCompacted({ 'retention.ms': '60000' }, 'compact,delete')
    await write(['a', '1'], ['b', '1'])
    clock.advance(40_000)
    await write(['c', '1'])
    clock.advance(20_000)

    await expect
      .poll(async () => {
        clock.advance(cleanIntervalMs)
        return broker.offsets([place])
      })
      .toEqual([{ ...place, earliest: 2, latest: 3 }])

    expect(contents(await readAll(broker, place, 2))).toEqual([[2, 'c', '1']])
    await expect(readAll(broker, place, 1)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  test('a topic without retention.ms, or one that is only compacted, keeps everything', async () => {
    const clock = new ManualClock()
    const broker = embeddedBroker({ clock, cleanIntervalMs })
    onTestFinished(() => broker.close())
    await broker.open()
    await broker.createTopics([
      { topic: 'kept', partitions: 1 },
      { topic: 'compacted', partitions: 1, cleanup: 'compact', settings: { 'retention.ms': '0' } },
      { topic: 'expired', partitions: 1, settings: { 'retention.ms': '0' } },
    ])
    const producer = await broker.producer()
    const places = ['kept', 'compacted', 'expired'].map((topic) => ({ topic, partition: 0 }))
    await producer.send(places.map((each) => logRecord(each, 'a', '1')))

    clock.advance(cleanIntervalMs)

    await expect.poll(async () => (await broker.offsets(places)).map(({ earliest }) => earliest)).toEqual([0, 0, 1])
  })
})
