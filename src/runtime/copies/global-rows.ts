import type { ErrorReaction } from '../../config.ts'
import { factOf, StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { RestoredChange } from '../../state/changelog.ts'
import type { GlobalTableSpec } from '../../topology/topology.ts'
import type { LogRecord, TopicPartition } from '../broker.ts'
import type { RuntimeObserver } from '../observer.ts'

export interface GlobalRowsOptions {
  readonly table: GlobalTableSpec
  readonly place: TopicPartition
  readonly onUndecodable: ErrorReaction
  readonly logger: Logger
  readonly observer: RuntimeObserver
  readonly signal: AbortSignal
}

/**
 * The rows that records of the topic of a global table make. What has no key, or cannot be read, is counted and left out; with `fail` the
 * latter is thrown. There is no dead letter: each instance would write its own.
 */
export async function globalRows(records: readonly LogRecord[], options: GlobalRowsOptions): Promise<RestoredChange[]> {
  const { table, place, observer, logger } = options
  const rows: RestoredChange[] = []
  const unreadable: StreamError[] = []
  for (const record of records) {
    if (record.key === null) {
      observer.globalDropped?.(table.name, 'null_key')
      continue
    }
    const missing = missingFor(record, options)
    if (missing) await missing
    try {
      rows.push(rowOf(table, record.key, record))
    } catch (cause) {
      const error = undecodable(cause, record, options)
      if (options.onUndecodable === 'fail') throw error
      observer.globalDropped?.(table.name, 'undecodable')
      unreadable.push(error)
    }
  }
  const [first] = unreadable
  if (first) logger.warn({ table: table.name, ...place, records: unreadable.length }, first.message)
  return rows
}

/** As the store has it: what a topic holds may need a server to be read. */
function rowOf({ source, store }: GlobalTableSpec, key: Uint8Array, { value, timestamp }: LogRecord): RestoredChange {
  return {
    key: store.key.serialize(source.key.deserialize(key)),
    value: value === null ? null : store.value.serialize(source.value.deserialize(value)),
    timestamp,
  }
}

/** What the serdes wait for before they can read the record; undefined when that is nothing, as it nearly always is. */
function missingFor(
  { key, value }: LogRecord,
  { table: { source }, signal }: GlobalRowsOptions,
): Promise<unknown> | undefined {
  const forKey = (key && source.key.prepare?.(key, signal)) ?? undefined
  const forValue = (value && source.value.prepare?.(value, signal)) ?? undefined
  return forKey || forValue ? Promise.all([forKey, forValue]) : undefined
}

function undecodable(cause: unknown, { offset }: LogRecord, { table, place }: GlobalRowsOptions): StreamError {
  const { topic, partition } = place
  const reason = factOf(cause)
  const fact = `the record at ${topic}-${partition} offset ${offset} is no row of global table "${table.name}": ${reason}`
  return new StreamError('RECORD_UNDECODABLE', fact, { cause, details: { topic, partition, offset } })
}
