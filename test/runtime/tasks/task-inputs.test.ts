import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { silentLogger } from '../../../src/logger.ts'
import { noHeaders } from '../../../src/record.ts'
import type { LogRecord } from '../../../src/runtime/broker.ts'
import { TaskInputs } from '../../../src/runtime/tasks/task-inputs.ts'
import { string } from '../../../src/serde.ts'
import type { SourceNode } from '../../../src/topology/topology.ts'

interface Options {
  readonly maxTaskIdleMs?: number
  /** Where the logs end when they are asked. Default 0 both; null: nobody has asked. */
  readonly ends?: { readonly a: number; readonly b: number } | null
}

/** A task that reads topics a and b, of which nothing was read yet. */
function inputsOf({ maxTaskIdleMs = 0, ends = { a: 0, b: 0 } }: Options = {}) {
  const clock = new ManualClock()
  const inputs = new TaskInputs(
    ['a', 'b'].map((topic) => ({ topic, partition: 0, offset: 0, node: sourceOf(topic) })),
    {
      clock,
      logger: silentLogger,
      signal: new AbortController().signal,
      wake: () => undefined,
      fail: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
      maxQueuedBytes: 10_000,
      maxTaskIdleMs,
      epoch: undefined,
    },
  )
  const endOf = ({ topic }: { topic: string }) => (topic === 'a' ? ends?.a : ends?.b)
  if (ends) inputs.learnEnds(endOf)
  const offsets = { a: 0, b: 0 }
  return {
    inputs,
    clock,
    endOf,
    add: (topic: 'a' | 'b', ...timestamps: number[]) => {
      const records = timestamps.map((timestamp) => recordAt(offsets[topic]++, timestamp))
      inputs.add({ topic, partition: 0 }, { records, next: offsets[topic] })
    },
    takeAll: () => {
      const taken: string[] = []
      for (let next = inputs.take(); next; next = inputs.take()) {
        taken.push(`${next.partition.topic}@${next.head.raw.timestamp}`)
      }
      return taken
    },
  }
}

function sourceOf(topic: string): SourceNode {
  const source = kafka({ topic, key: string, value: string }) as SourceNode['source']
  return { kind: 'source', name: topic, source, internal: false, parents: [], children: [] }
}

function recordAt(offset: number, timestamp: number): LogRecord {
  return { offset, timestamp, key: Buffer.from('k'), value: Buffer.from('v'), headers: noHeaders }
}

describe('a task that reads several partitions', () => {
  test('takes the record with the smallest timestamp of all heads, each partition in its own order', () => {
    const { add, takeAll } = inputsOf()
    add('a', 30, 10)
    add('b', 20, 40)

    expect(takeAll()).toEqual(['b@20', 'a@30', 'a@10', 'b@40'])
  })

  test('of equal timestamps the partition whose turn was longest ago is next', () => {
    const { add, takeAll } = inputsOf()
    add('b', 10, 10)
    add('a', 10, 10)

    expect(takeAll()).toEqual(['b@10', 'a@10', 'b@10', 'a@10'])
  })

  test('passes an empty partition by that is at the end of its log', () => {
    const { add, takeAll } = inputsOf()
    add('a', 10)

    expect(takeAll()).toEqual(['a@10'])
  })

  test('takes nothing before it knows where the logs end', () => {
    const { inputs, add, takeAll } = inputsOf({ ends: null })
    add('a', 10)
    expect(takeAll()).toEqual([])
    expect(inputs.awaitsLogEnds).toBe(true)

    inputs.learnEnds(() => 0)

    expect(takeAll()).toEqual(['a@10'])
    expect(inputs.awaitsLogEnds).toBe(false)
  })

  test('waits for what the log of an empty partition is known to have', () => {
    const { inputs, add, takeAll } = inputsOf({ ends: { a: 1, b: 2 } })
    add('a', 10)
    expect(takeAll()).toEqual([])
    expect(inputs.behind).toMatchObject({ topic: 'b', partition: 0 })

    add('b', 5)
    expect(takeAll()).toEqual(['b@5'])

    add('b', 7)
    expect(takeAll()).toEqual(['b@7', 'a@10'])
    expect(inputs.behind).toBeUndefined()
  })

  test('waits for nothing when it is told so', () => {
    const { inputs, add, takeAll } = inputsOf({ maxTaskIdleMs: -1, ends: null })
    add('a', 10)

    expect(inputs.awaitsLogEnds).toBe(false)
    expect(takeAll()).toEqual(['a@10'])
  })

  test('waits so long for an idle partition, once until that has had something', () => {
    const { inputs, clock, add, takeAll } = inputsOf({ maxTaskIdleMs: 100 })
    add('a', 10)
    expect(takeAll()).toEqual([])
    expect(inputs.idlesUntil).toBe(100)

    clock.advance(99)
    expect(takeAll()).toEqual([])
    clock.advance(1)
    expect(takeAll()).toEqual(['a@10'])
    add('a', 20)
    expect(takeAll()).toEqual(['a@20'])

    add('b', 30)
    expect(takeAll()).toEqual([])
    expect(inputs.idlesUntil).toBe(200)
    add('a', 40)
    expect(takeAll()).toEqual(['b@30'])
    expect(inputs.idlesUntil).toBe(200)
  })

  test('waits no longer when the clock is turned back', () => {
    const { inputs, clock, add, takeAll } = inputsOf({ maxTaskIdleMs: 100 })
    clock.advance(5_000)
    add('a', 10)
    takeAll()

    clock.set(-4_000)
    takeAll()

    expect(inputs.idlesUntil).toBe(1_100)
  })

  test('waits for what the log of an empty partition has got since, and no longer than it has it', () => {
    const { inputs, add, takeAll } = inputsOf()
    add('a', 10)
    inputs.followEnd({ topic: 'b', partition: 0, offset: 1 })
    expect([takeAll(), inputs.behind?.topic]).toEqual([[], 'b'])

    inputs.followEnd({ topic: 'b', partition: 0, offset: 0 })

    expect(takeAll()).toEqual(['a@10'])
  })

  test('kept over a rebalance, does not take what it hears of the ends of before for those that it asks for', () => {
    const { inputs, add, takeAll } = inputsOf()
    inputs.clear()
    inputs.followEnd({ topic: 'b', partition: 0, offset: 0 })
    inputs.learnEnds(({ topic }) => (topic === 'a' ? 0 : 1))
    add('a', 10)

    expect(takeAll()).toEqual([])
  })

  test('kept over a rebalance, waits for what its logs have got meanwhile, whichever comes first', () => {
    const { inputs, add, takeAll } = inputsOf({ ends: { a: 1, b: 0 } })
    add('a', 10)
    takeAll()

    inputs.clear()
    add('a', 30)
    expect([takeAll(), inputs.awaitsLogEnds]).toEqual([[], true])
    inputs.learnEnds(({ topic }) => (topic === 'a' ? 2 : 1))
    expect(takeAll()).toEqual([])
    add('b', 20)

    expect(takeAll()).toEqual(['b@20', 'a@30'])
  })

  test('kept over a rebalance, does not count its time for an idle partition', () => {
    const { inputs, clock, add, takeAll } = inputsOf({ maxTaskIdleMs: 100 })
    add('a', 10)
    takeAll()
    clock.advance(90)

    inputs.clear()
    inputs.learnEnds(() => 0)
    clock.advance(90)
    add('a', 20)

    expect(takeAll()).toEqual([])
    expect(inputs.idlesUntil).toBe(280)
  })

  test('has fetched everything when its queues have come to the ends', () => {
    const { inputs, add, endOf } = inputsOf({ ends: { a: 1, b: 2 } })
    add('a', 1)
    add('b', 1)
    expect(inputs.hasFetched(endOf)).toBe(false)

    add('b', 2)

    expect(inputs.hasFetched(endOf)).toBe(true)
  })

  test('has fetched what it can when a queue has no room', () => {
    const { inputs, add, endOf } = inputsOf({ ends: { a: 0, b: 1_000 } })

    add('b', ...Array.from({ length: 99 }, (_, at) => at))

    expect(inputs.hasFetched(endOf)).toBe(true)
  })
})
