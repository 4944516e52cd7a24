import type { StreamRecord } from '../record.ts'

/** Extractors for `timestamp` of a source, each the same for any record. */

/** The timestamp that the log keeps; a record where it is negative is skipped, counted as dropped. */
export function skipInvalidTimestamp({ timestamp }: StreamRecord<unknown, unknown>): number {
  return timestamp
}

/** The timestamp that the log keeps, or the time of the partition where it is negative. */
export function usePartitionTime({ timestamp }: StreamRecord<unknown, unknown>, partitionTime: number): number {
  return timestamp < 0 ? partitionTime : timestamp
}

/** When the record is processed, whatever the log says. Not the same over a replay. */
export function useWallClock(_: StreamRecord<unknown, unknown>, __: number, wallClock: number): number {
  return wallClock
}
