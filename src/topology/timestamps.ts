import type { StreamRecord } from '../record.ts'

/**
 * For `timestamp` of a source: the timestamp that the log keeps; a record where it is negative is skipped, counted as dropped.
 *
 * @example
 * builder.stream('views', kafka({ topic: 'views', key: string, value: json(View), timestamp: skipInvalidTimestamp }))
 */
export function skipInvalidTimestamp({ timestamp }: StreamRecord<unknown, unknown>): number {
  return timestamp
}

/** As `skipInvalidTimestamp`: the timestamp that the log keeps, or the time of the partition where it is negative. */
export function usePartitionTime({ timestamp }: StreamRecord<unknown, unknown>, partitionTime: number): number {
  return timestamp < 0 ? partitionTime : timestamp
}

/** As `skipInvalidTimestamp`: when the record is processed, whatever the log says. Not the same over a replay. */
export function useWallClock(_: StreamRecord<unknown, unknown>, __: number, wallClock: number): number {
  return wallClock
}
