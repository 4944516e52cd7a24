import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { ConsumerGroup } from '../../../src/connectors/kafka/internals.ts'
import { watchPolls } from '../../../src/connectors/kafka/polls.ts'

test('requests that were answered are told with their time, and no waits in which nobody was asked', async () => {
  const clock = new ManualClock()
  let answer: object[] = [{}]
  const group = {
    fetch: async () => {
      clock.advance(250)
      return answer
    },
  } as unknown as ConsumerGroup
  const told: number[] = []
  watchPolls(group, clock, (durationMs) => told.push(durationMs))

  const batches = await group.fetch('1')
  answer = []
  await group.fetch('1')

  expect(batches).toHaveLength(1)
  expect(told).toEqual([250])
})
