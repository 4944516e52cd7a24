import { type StreamRecord, withValue } from '../../record.ts'
import { requireAtLeast } from '../../require-at-least.ts'
import { msgpack, type Serde, textKeys } from '../../serde.ts'
import type { ProcessorContext, ProcessorSupplier } from '../../topology/processor.ts'
import type { Table, TableOperator } from '../../topology/stream.ts'
import { onLatestChange, type TableRows } from '../../topology/table.ts'
import { sessionWindowed, type Windowed } from '../../windowed.ts'
import type { ClosingWindows } from '../aggregation/windows.ts'
import type { BufferBounds } from './buffer-fill.ts'
import { TimeOrderedBuffer } from './time-ordered-buffer.ts'

interface Suppressed<K, V> {
  /** Serde of the key (inside the window where there is one); default that of the table, for a stream UTF-8 text. */
  readonly key?: Serde<K>
  /** Serde of the values that wait; default MessagePack, for plain data. */
  readonly value?: Serde<V>
  /** Default `level`. */
  readonly storage?: 'level' | 'memory'
  /** How many keys may wait in a task; default: no limit. */
  readonly maxRecords?: number
  /** Bytes of what may wait in a task: keys, values and headers, as they are stored. Default: no limit. */
  readonly maxBytes?: number
}

export interface UntilWindowCloses<K, V> extends Suppressed<K, V> {
  /** The windows of the step before, with their grace. */
  readonly untilWindowCloses: ClosingWindows
  /** Nothing may go out early: the runtime stops with BUFFER_FULL. */
  readonly whenFull?: 'shut-down'
}

export interface UntilTimeLimit<K, V> extends Suppressed<K, V> {
  /** Milliseconds that the updates of a key wait, in the time of this step, from the timestamp of the first one that does. */
  readonly untilTimeLimitMs: number
  /** What has waited longest goes out early, or the runtime stops with BUFFER_FULL. Default `emit-early`. */
  readonly whenFull?: BufferBounds['whenFull']
}

/**
 * Holds updates back in the store `name`, and sends the last one of each key on. Time is the largest timestamp that has come in here, so what
 * waits goes out with the first record late enough, of whatever key, under the time and headers of its own last update.
 *
 * With `untilWindowCloses` each window waits until nothing can change it any more: one result a window, and none for one that has become
 * nothing. With `untilTimeLimitMs` a key sends one update in that time, a deletion too; that fits streams and tables.
 *
 * @example
 * const perMinute = tumbling({ sizeMs: 60_000, graceMs: 10_000 })
 * views
 *   .process(count('views-per-minute', { window: perMinute }))
 *   .process(suppress('final', { untilWindowCloses: perMinute }))
 * users.process(suppress('calm', { untilTimeLimitMs: 5_000, maxRecords: 100_000 }))
 */
export function suppress<K, V>(
  name: string,
  options: UntilWindowCloses<K, V>,
): ProcessorSupplier<Windowed<K>, V, Windowed<K>, V>
export function suppress<K, V>(
  name: string,
  options: UntilTimeLimit<K, V>,
): ProcessorSupplier<K | null, V, K, V> & TableOperator<K, V, K, V>
export function suppress(
  name: string,
  options: UntilWindowCloses<unknown, unknown> | UntilTimeLimit<unknown, unknown>,
): object {
  for (const bound of ['maxRecords', 'maxBytes'] as const) {
    const most = options[bound]
    if (most !== undefined) requireAtLeast(1, `${bound} of step "${name}"`, most)
  }
  if ('untilWindowCloses' in options) return untilWindowCloses(name, options)
  requireAtLeast(0, `untilTimeLimitMs of step "${name}"`, options.untilTimeLimitMs)
  return { ...untilTimeLimitOfRecords(name, options), ...untilTimeLimitOfRows(name, options) }
}

/** A window stands at its end: the order in which windows close. */
function untilWindowCloses<K, V>(
  name: string,
  options: UntilWindowCloses<K, V>,
): ProcessorSupplier<Windowed<K>, V, Windowed<K>, V> {
  const { untilWindowCloses: windows } = options
  const key = sessionWindowed(options.key ?? textKeys<K>())
  const waitMs = windows.graceMs + (windows.kind === 'session' ? windows.gapMs : 0)
  const create = () => new TimeOrderedBuffer<Windowed<K>, V>({ name, ...kept(options, 'shut-down'), key, waitMs })
  return holdingBack(name, create, (buffer, record, context) => {
    if (record.value === null) buffer.remove(record, context)
    else buffer.put(record, record.key.window.endMs, nothing, context)
  })
}

function untilTimeLimitOfRecords<K, V>(
  name: string,
  options: UntilTimeLimit<K, V>,
): ProcessorSupplier<K | null, V, K, V> {
  const create = limited(name, options, options.key ?? textKeys<K>())
  return holdingBack(name, create, (buffer, record, context) => {
    const { key, timestamp } = record
    if (key === null) context.drop('null_key')
    else buffer.put({ ...record, key }, timestamp, nothing, context)
  })
}

/** Each record changes what waits; then goes on what has waited long enough. */
function holdingBack<KIn, K, V>(
  name: string,
  create: () => TimeOrderedBuffer<K, V>,
  take: (buffer: TimeOrderedBuffer<K, V>, record: StreamRecord<KIn, V>, context: ProcessorContext<K, V>) => void,
): ProcessorSupplier<KIn, V, K, V> {
  return {
    name,
    operator: 'suppress',
    stores: [create().store],
    create: () => {
      const buffer = create()
      return {
        process(record, context) {
          take(buffer, record, context)
          for (const { before: _, ...due } of buffer.due(context)) context.forward(due)
        },
      }
    },
  }
}

function untilTimeLimitOfRows<K, V>(name: string, options: UntilTimeLimit<K, V>): TableOperator<K, V, K, V> {
  return {
    onTable: (table) => {
      const create = limited(name, options, options.key ?? table.rows.key)
      const supplier = {
        name,
        operator: 'suppress',
        stores: [create().store],
        create: () => {
          const buffer = create()
          return onLatestChange<K, V, K, V>(({ newValue, oldValue }, record, context) => {
            buffer.put(withValue(record, newValue), record.timestamp, oldValue, context)
            for (const { before, ...due } of buffer.due(context)) {
              context.forward(withValue(due, { newValue: due.value, oldValue: () => before }))
            }
          })
        },
      }
      return table.derive(supplier, rowsSentBy(create(), name, table))
    },
  }
}

/** The rows as those behind the step know them: of a key that waits, the one before. Nobody remembers its time: it is -1. */
function rowsSentBy<K, V>(buffer: TimeOrderedBuffer<K, V>, name: string, { rows }: Table<K, V>): TableRows<K, V> {
  return {
    key: rows.key,
    stores: [name, ...rows.stores],
    get: (key, context) => {
      const waiting = buffer.before(key, context)
      if (!waiting) return rows.get(key, context)
      return waiting.before === null ? undefined : { value: waiting.before, timestamp: -1 }
    },
  }
}

function limited<K, V>(name: string, options: UntilTimeLimit<K, V>, key: Serde<K>): () => TimeOrderedBuffer<K, V> {
  const waitMs = options.untilTimeLimitMs
  return () => new TimeOrderedBuffer({ name, ...kept(options, options.whenFull ?? 'emit-early'), key, waitMs })
}

function kept<V>(
  { value = msgpack<V>(), storage = 'level', maxRecords, maxBytes }: Suppressed<unknown, V>,
  whenFull: BufferBounds['whenFull'],
) {
  const isBounded = maxRecords !== undefined || maxBytes !== undefined
  return { value, storage, ...(isBounded && { bounds: { maxRecords, maxBytes, whenFull } }) }
}

function nothing(): null {
  return null
}
