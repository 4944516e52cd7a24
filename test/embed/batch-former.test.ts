import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/clock.ts'
import { type Batch, BatchFormer, type BatchFormerOptions } from '../../src/embed/batch-former.ts'

interface Item {
  readonly tokens: number
  readonly isUrgent?: boolean
}

function formerWith(tokens: readonly number[], options: BatchFormerOptions = {}) {
  const clock = new ManualClock()
  const former = new BatchFormer<Item>(clock, options)
  for (const count of tokens) former.add({ tokens: count })
  return { former, clock }
}

const lengths = (batch: Batch<Item> | undefined) => batch?.items.map((item) => item.tokens) ?? []

describe('an idle device', () => {
  test('gets what is there, also when it is one short text', () => {
    const { former } = formerWith([3])

    expect(lengths(former.takeForIdle(1))).toEqual([3])
    expect(lengths(former.takeForIdle(1))).toEqual([])
  })

  test('gets texts of nearly equal length, within the budget', () => {
    const { former } = formerWith([100, 20, 101, 200, 99, 102, 21], { maxBatchTokens: 400 })

    expect(lengths(former.takeForIdle(1))).toEqual([99, 100, 101])
    expect(lengths(former.takeForIdle(1))).toEqual([20, 21])
    expect(lengths(former.takeForIdle(1))).toEqual([200])
    expect(lengths(former.takeForIdle(1))).toEqual([102])
  })

  test('gets a text that is over the budget on its own', () => {
    const { former } = formerWith([900, 901], { maxBatchTokens: 512 })

    expect(lengths(former.takeForIdle(1))).toEqual([900])
  })

  test('shares what is there with the other idle devices', () => {
    const { former } = formerWith([100, 100, 100, 100])

    expect(lengths(former.takeForIdle(2))).toEqual([100, 100])
    expect(lengths(former.takeForIdle(1))).toEqual([100, 100])
  })
})

describe('a batch of one text', () => {
  test('is all that a device gets when no more are allowed, idle or busy', () => {
    const { former } = formerWith([10, 10, 10], { maxBatchTexts: 1 })

    expect(lengths(former.takeForIdle(1))).toEqual([10])
    expect(lengths(former.takeForBusy())).toEqual([10])
    expect(lengths(former.takeForBusy())).toEqual([10])
  })
})

test('rows of a batch differ in length by the padding that is allowed, no more', () => {
  const few = formerWith([10, 26, 60]).former
  const many = formerWith([10, 26, 60], { maxPaddingTokens: 64 }).former

  expect(lengths(few.takeForIdle(1))).toEqual([10, 26])
  expect(lengths(many.takeForIdle(1))).toEqual([10, 26, 60])
})

test('a batch says why it was closed, and how long its oldest text had waited', () => {
  const { former, clock } = formerWith([10, 200], { maxBatchTokens: 512, maxBatchTexts: 3, maxWaitMs: 20 })
  const closed = (batch: Batch<Item> | undefined) => batch && [batch.reason, batch.waitedMs]
  clock.advance(5)

  expect(closed(former.takeForIdle(1))).toEqual(['idle_device', 5])
  clock.advance(15)
  expect(closed(former.takeForBusy())).toEqual(['timeout', 20])
  for (const tokens of [10, 11, 12]) former.add({ tokens })
  expect(closed(former.takeForBusy())).toEqual(['count', 0])
  former.add({ tokens: 256 })
  expect(closed(former.takeForBusy())).toEqual(['tokens', 0])
})

test('a batch around an urgent text has waited as long as the oldest text that it takes along', () => {
  const { former, clock } = formerWith([10])
  clock.advance(5)
  former.add({ tokens: 10, isUrgent: true })

  expect(former.takeForIdle(1)).toMatchObject({ items: [{ tokens: 10 }, { isUrgent: true }], waitedMs: 5 })
})

describe('a busy device', () => {
  test('waits for company until the batch is worth it', () => {
    const { former } = formerWith([100], { maxBatchTokens: 512 })

    expect(former.takeForBusy()).toBeUndefined()

    former.add({ tokens: 160 })
    expect(lengths(former.takeForBusy())).toEqual([100])
  })

  test('waits no longer than the maximum', () => {
    const { former, clock } = formerWith([10], { maxWaitMs: 20 })
    clock.advance(19)
    expect(former.waitMs).toBe(1)
    expect(former.takeForBusy()).toBeUndefined()

    clock.advance(1)

    expect(former.waitMs).toBe(0)
    expect(lengths(former.takeForBusy())).toEqual([10])
    expect(former.waitMs).toBeUndefined()
  })

  test('does not wait for a wall clock that was set back', () => {
    const { former, clock } = formerWith([10], { maxWaitMs: 20 })

    clock.set(-3_600_000)

    expect(former.waitMs).toBe(0)
    expect(lengths(former.takeForBusy())).toEqual([10])
  })
})

test('the text that has waited longest is always in the next batch, whatever came later', () => {
  const { former } = formerWith([250])
  for (let at = 0; at < 100; at++) former.add({ tokens: 10 })

  expect(lengths(former.takeForIdle(1))).toEqual([250])
})

test('urgent texts go first, and the one that has waited longest of the others in every second batch', () => {
  const { former } = formerWith([250], { maxBatchTexts: 1 })
  for (let at = 0; at < 4; at++) former.add({ tokens: 100 + at, isUrgent: true })
  former.add({ tokens: 200 })

  const batches = Array.from({ length: 6 }, () => lengths(former.takeForIdle(1)))

  expect(batches).toEqual([[100], [250], [101], [200], [102], [103]])
})

test('a text that was taken back is in no batch', () => {
  const { former } = formerWith([10])
  const unwanted = { tokens: 10 }
  former.add(unwanted)

  expect(former.remove(unwanted)).toBe(true)
  expect(former.remove(unwanted)).toBe(false)

  expect(lengths(former.takeForIdle(1))).toEqual([10])
  expect(former.size).toBe(0)
})

test('the window has an end', () => {
  const { former } = formerWith([1, 2, 3], { windowTexts: 4 })

  expect(former.room).toBe(1)
})
