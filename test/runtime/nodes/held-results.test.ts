import { describe, expect, test } from 'vitest'
import { noHeaders } from '../../../src/record.ts'
import { CacheBudget, HeldResults, type SentResult } from '../../../src/runtime/nodes/held-results.ts'
import type { HeldResult } from '../../../src/topology/processor.ts'

/** Sends `<before>-><value>`; nothing when there was nothing and is nothing. */
function result(id: string, before: number | null, value: number | null, bytes = 10): HeldResult<unknown, unknown> {
  return {
    id: Buffer.from(id),
    bytes,
    before,
    since: (known, recovering) => {
      if (known === null && value === null && !recovering) return undefined
      return { key: id, value: `${known}->${value}`, timestamp: 0, headers: noHeaders }
    },
  }
}

function origin(offset: number, recovering = false) {
  return { source: { topic: 'in', partition: 0, offset }, recovering }
}

/** Takes them until nothing is left. */
function all(held: HeldResults): SentResult[] {
  const next = held.next()
  return next ? [next, ...all(held)] : []
}

describe('results that a node holds back', () => {
  test('the last one of an id goes out, with what there was before the first', () => {
    const held = new HeldResults(new CacheBudget(1_000))
    held.put(result('a', 1, 2), origin(7))
    held.put(result('a', 2, 3), origin(8))

    const sent = all(held)

    expect(sent.map(({ record, source }) => [record.value, source?.offset])).toEqual([['1->3', 8]])
  })

  test('they go out in the order in which each was put last', () => {
    const held = new HeldResults(new CacheBudget(1_000))
    for (const id of ['a', 'b', 'c', 'a']) held.put(result(id, null, 1), origin(0))

    expect(all(held).map(({ record }) => record.key)).toEqual(['b', 'c', 'a'])
  })

  test('a deletion of what was never sent does not go out', () => {
    const held = new HeldResults(new CacheBudget(1_000))
    held.put(result('new', null, 1), origin(0))
    held.put(result('new', 1, null), origin(1))
    held.put(result('known', 5, null), origin(2))

    expect(all(held).map(({ record }) => record.value)).toEqual(['5->null'])
  })

  test('a deletion goes out of what may have been sent before a crash', () => {
    const held = new HeldResults(new CacheBudget(1_000))
    held.put(result('new', null, 1), origin(0, true))
    held.put(result('new', 1, null), origin(1))

    expect(all(held).map(({ record }) => record.value)).toEqual(['null->null'])
  })

  test('once one of an id may have been processed before, what goes out may have been', () => {
    const held = new HeldResults(new CacheBudget(1_000))
    held.put(result('a', null, 1), origin(0, true))
    held.put(result('a', 1, 2), origin(1, false))

    expect(all(held).map(({ recovering }) => recovering)).toEqual([true])
  })

  test('the budget counts what is held, of all nodes, and nothing that went out or was dropped', () => {
    const budget = new CacheBudget(1_000)
    const [one, other] = [new HeldResults(budget), new HeldResults(budget)]
    one.put(result('a', null, 1, 400), origin(0))
    const single = budget.bytes
    one.put(result('a', 1, 2, 400), origin(1))
    other.put(result('a', null, 1, 400), origin(2))

    expect(budget.bytes).toBe(2 * single)
    expect(budget.isOver).toBe(true)
    all(one)
    expect([budget.bytes, budget.isOver]).toEqual([single, false])
    other.clear()
    expect(budget.bytes).toBe(0)
  })
})
