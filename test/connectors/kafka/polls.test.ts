import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { ConsumerGroup } from '../../../src/connectors/kafka/internals.ts'
import { watchPolls } from '../../../src/connectors/kafka/polls.ts'

const none = () => undefined

test('requests that were answered are told with their time, and no waits in which nobody was asked', async () => {
  const clock = new ManualClock()
  let answer: object[] = [batchOf({})]
  const group = {
    fetch: async () => {
      clock.advance(250)
      return answer
    },
  } as unknown as ConsumerGroup
  const told: number[] = []
  watchPolls(group, clock, { polled: (durationMs) => told.push(durationMs), ends: none })

  const batches = await group.fetch('1')
  answer = []
  await group.fetch('1')

  expect(batches).toHaveLength(1)
  expect(told).toEqual([250])
})

test('every partition that was asked for is told with its end, also where nothing came of it', async () => {
  const answer = [batchOf({ partition: 0, end: '9' }), batchOf({ partition: 1, end: '7' })]
  const group = { fetch: async () => answer } as unknown as ConsumerGroup
  const told: unknown[] = []
  watchPolls(group, new ManualClock(), { polled: none, ends: (ends) => told.push(...ends) })

  await group.fetch('1')

  expect(told).toEqual([
    { topic: 'in', partition: 0, offset: 9 },
    { topic: 'in', partition: 1, offset: 7 },
  ])
})

function batchOf({ partition = 0, end = '0' }: { readonly partition?: number; readonly end?: string }): object {
  return { topic: 'in', partition, lastStableOffset: end }
}
