import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { silentLogger } from '../../../src/logger.ts'
import type { Task } from '../../../src/runtime/tasks/task.ts'
import { RecoveryWindows } from '../../../src/runtime/work/recovery-windows.ts'

test('a task that waits for the ends of its logs is told at once, and again after it was kept over a rebalance', async () => {
  const clock = new ManualClock()
  await using broker = embeddedBroker({ clock })
  await broker.open()
  await broker.createTopics([{ topic: 'a', partitions: 1 }])
  const inputs = {
    awaitsLogEnds: true,
    learnEnds: () => {
      inputs.awaitsLogEnds = false
    },
  }
  const task = { partitions: [{ topic: 'a', partition: 0 }], recovering: false, inputs } as unknown as Task
  const windows = new RecoveryWindows({ broker, clock, logger: silentLogger, everyMs: 1_000 })

  await windows.close([task])
  const first = inputs.awaitsLogEnds
  inputs.awaitsLogEnds = true
  await windows.close([task])

  expect([first, inputs.awaitsLogEnds]).toEqual([false, false])
})
