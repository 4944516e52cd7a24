import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { StreamError } from '../../../src/errors.ts'
import { type Logger, silentLogger } from '../../../src/logger.ts'
import { RetryLog } from '../../../src/runtime/tasks/retry-log.ts'

test('retries are told at once, then every ten seconds with how many there were', () => {
  const clock = new ManualClock(1_000)
  const attempts: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (facts) => void attempts.push(facts) }
  const log = new RetryLog('0_3', clock, logger)
  const error = new StreamError('INDEX_UNREACHABLE', 'the index is down')

  for (let second = 0; second < 25; second++) {
    log.note('changes', error)
    clock.advance(1_000)
  }

  expect(attempts).toEqual([1, 10, 10].map((count) => ({ task: '0_3', node: 'changes', attempts: count })))
})
