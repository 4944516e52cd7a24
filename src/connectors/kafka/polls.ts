import { type Clock, stopwatch } from '../../clock.ts'
import type { StartPosition } from '../../runtime/broker.ts'
import type { ConsumerGroup, FetchedBatch } from './internals.ts'

export interface PollEvents {
  polled(durationMs: number): void
  ends(ends: readonly StartPosition[]): void
}

/**
 * Tells how long brokers take to answer requests for records, the wait for some included. An answer has a batch for every partition that was
 * asked for, an empty one too; while all of them are paused KafkaJS asks nobody, waits, and gives none. And where these partitions end.
 */
export function watchPolls(group: ConsumerGroup, clock: Clock, events: PollEvents): void {
  const fetch = group.fetch.bind(group)
  group.fetch = async (nodeId) => {
    const elapsedMs = stopwatch(clock)
    const batches = await fetch(nodeId)
    if (batches.length > 0) events.polled(elapsedMs())
    events.ends(batches.map(endOf))
    return batches
  }
}

function endOf({ topic, partition, lastStableOffset }: FetchedBatch): StartPosition {
  return { topic, partition, offset: Number(lastStableOffset) }
}

type BatchConstructor = new (
  topic: string,
  fetchedOffset: string,
  answer: { readonly lastStableOffset: string },
) => object

/** KafkaJS reads where committed records end, and drops it. */
export function tellingStableEnd(Batch: BatchConstructor): BatchConstructor {
  return class extends Batch {
    readonly lastStableOffset: string

    constructor(...[topic, fetchedOffset, answer]: ConstructorParameters<BatchConstructor>) {
      super(topic, fetchedOffset, answer)
      this.lastStableOffset = answer.lastStableOffset
    }
  }
}
