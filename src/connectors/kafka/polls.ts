import { type Clock, stopwatch } from '../../clock.ts'
import type { ConsumerGroup } from './internals.ts'

/**
 * Tells how long brokers take to answer requests for records, the wait for some included. An answer has a batch for every partition that was
 * asked for, an empty one too; while all of them are paused KafkaJS asks nobody, waits, and gives none.
 */
export function watchPolls(group: ConsumerGroup, clock: Clock, told: (durationMs: number) => void): void {
  const fetch = group.fetch.bind(group)
  group.fetch = async (nodeId) => {
    const elapsedMs = stopwatch(clock)
    const batches = await fetch(nodeId)
    if (batches.length > 0) told(elapsedMs())
    return batches
  }
}
