import type { LogRecord } from '../../runtime/broker.ts'
import { withoutAborted } from './aborted.ts'
import type { FetchedPartition, FetchedRecord } from './internals.ts'

/** A record of KafkaJS as the port has it. Offsets and timestamps are numbers: exact up to 2^53. */
export function toLogRecord(record: FetchedRecord): LogRecord {
  return {
    offset: Number(record.offset),
    timestamp: Number(record.timestamp),
    key: record.key,
    value: record.value,
    headers: record.headerList,
  }
}

/** The committed records of a fetched partition from offset `from` on. A fetch may begin with earlier ones, up to the start of a batch. */
export function committedRecords(partition: FetchedPartition, from: number): LogRecord[] {
  return withoutAborted(partition)
    .filter((record) => !record.isControlRecord && Number(record.offset) >= from)
    .map(toLogRecord)
}
