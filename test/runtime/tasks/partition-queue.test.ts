import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { silentLogger } from '../../../src/logger.ts'
import { noHeaders } from '../../../src/record.ts'
import type { LogRecord } from '../../../src/runtime/broker.ts'
import { PartitionQueue } from '../../../src/runtime/tasks/partition-queue.ts'
import { string } from '../../../src/serde.ts'
import type { TimestampExtractor } from '../../../src/topology/source.ts'
import { skipInvalidTimestamp, usePartitionTime, useWallClock } from '../../../src/topology/timestamps.ts'
import type { AnySource } from '../../../src/topology/topology.ts'

const source = { kind: 'topic-source', topic: 't', key: string, value: string } as const
const alone = {
  clock: new ManualClock(),
  logger: silentLogger,
  signal: new AbortController().signal,
  wake: () => undefined,
  fail: () => undefined,
}
const text = (value: string) => new TextEncoder().encode(value)

function record(offset: number, fields: Partial<LogRecord> = {}): LogRecord {
  return { offset, timestamp: offset * 10, key: text('k'), value: text(`v${offset}`), headers: noHeaders, ...fields }
}

describe('a partition queue', () => {
  test('gives records in offset order and knows the next offset to take', () => {
    const queue = new PartitionQueue(source, 5, alone)
    queue.add({ records: [record(5), record(7)], next: 9 })

    const positions = [queue.position]
    while (queue.take()) positions.push(queue.position)

    // Offset 6 and 8 do not exist any more; the position passes them.
    expect(positions).toEqual([5, 7, 9])
  })

  test('ignores records that it has seen already', () => {
    const queue = new PartitionQueue(source, 0, alone)
    queue.add({ records: [record(0), record(1)], next: 2 })

    queue.add({ records: [record(1), record(2)], next: 3 })

    expect(queue.length).toBe(3)
  })

  test('reports a value that cannot be read instead of throwing', () => {
    const queue = new PartitionQueue(source, 0, alone)
    queue.add({ records: [record(0, { value: Uint8Array.of(0xff, 0xfe) })], next: 1 })

    const head = queue.take()

    expect(head).toMatchObject({ kind: 'undecodable', error: { code: 'RECORD_UNDECODABLE' } })
    expect(queue.position).toBe(1)
  })

  test('passes tombstones and singles out null keys', () => {
    const queue = new PartitionQueue(source, 0, alone)
    queue.add({ records: [record(0, { value: null }), record(1, { key: null })], next: 2 })

    const kinds = [queue.take(), queue.take()]

    expect(kinds).toMatchObject([{ kind: 'record', record: { value: null } }, { kind: 'null-key' }])
  })

  test('asks the extractor with the largest time taken so far', () => {
    const asked: number[] = []
    const timestamp = (_: unknown, partitionTime: number) => {
      asked.push(partitionTime)
      return 1_000
    }
    const queue = new PartitionQueue({ ...source, timestamp }, 0, alone)
    queue.add({ records: [record(0), record(1)], next: 2 })

    const head = queue.take()
    queue.take()

    expect(asked).toEqual([-1, 1_000])
    expect(head).toMatchObject({ record: { timestamp: 1_000 } })
  })

  test('weighs what it holds, and nothing when it is empty', () => {
    const queue = new PartitionQueue(source, 0, alone)
    queue.add({ records: [record(0), record(1)], next: 2 })
    const full = queue.bytes

    queue.take()
    queue.take()

    expect(full).toBeGreaterThan(0)
    expect(queue.bytes).toBe(0)
  })

  test('takes whole milliseconds of what the extractor gives, and no record without a time', () => {
    const times = [1_000.75, Number.NaN, Date.parse('not a date'), 1e300, 2_000]
    const timestamp = ({ timestamp: at }: { timestamp: number }) => times[at] ?? 0
    const queue = new PartitionQueue({ ...source, timestamp }, 0, alone)
    queue.add({ records: times.map((_, offset) => record(offset, { timestamp: offset })), next: times.length })

    const heads = times.map(() => queue.take())

    const seen = heads.map((head) => (head?.kind === 'record' ? head.record.timestamp : head?.kind))
    expect(seen).toEqual([1_000, 'undecodable', 'undecodable', 'undecodable', 2_000])
    expect(queue.time).toBe(2_000)
  })

  test('takes the time from its extractor: of the log, of the partition, of the clock', () => {
    const clock = new ManualClock(7_000)
    const takenWith = (timestamp: TimestampExtractor<unknown, unknown>) => {
      const queue = new PartitionQueue({ ...source, timestamp } as AnySource, 0, { ...alone, clock })
      queue.add({ records: [record(0, { timestamp: 50 }), record(1, { timestamp: -1 })], next: 2 })
      return [queue.take(), queue.take()].map((head) => head?.kind === 'record' && head.record.timestamp)
    }

    expect(takenWith(skipInvalidTimestamp)).toEqual([50, -1])
    expect(takenWith(usePartitionTime)).toEqual([50, 50])
    expect(takenWith(useWallClock)).toEqual([7_000, 7_000])
  })
})
