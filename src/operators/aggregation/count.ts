import { msgpack } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { TableOperator } from '../../topology/stream.ts'
import type { Windowed } from '../../windowed.ts'
import { type CheckedRows, checkedRows } from '../tables/aggregate-rows.ts'
import {
  type Aggregation,
  type AnyGrouping,
  aggregation,
  type CheckedAggregation,
  type GroupedBy,
  type GroupedByKey,
  type InWindows,
} from './grouping.ts'
import type { Windows } from './windows.ts'

/**
 * Counts the records of each key, or of each key and window, in the store `name`. Every record sends the new count on.
 *
 * On a table, with `by`, it counts the rows of each group; a row that is gone or moves to another group is taken off, and `by` is not
 * asked about deletions. A group that has lost its last row stays, with 0.
 *
 * @example
 * views.process(count('views-per-author', { by: (view) => view?.author ?? null, window: tumbling({ sizeMs: 60_000 }) }))
 */
export function count<K, V>(name: string, grouping?: GroupedByKey<K, undefined>): Aggregation<K | null, V, K, number>
export function count<K, V, G>(
  name: string,
  grouping: GroupedBy<K, V, G, undefined>,
): Aggregation<K, V, G, number> & TableOperator<K, V, G, number>
export function count<K, V, W extends Windows>(
  name: string,
  grouping: GroupedByKey<K, W> & InWindows<W>,
): ProcessorSupplier<K | null, V, Windowed<K>, number>
export function count<K, V, G, W extends Windows>(
  name: string,
  grouping: GroupedBy<K, V, G, W> & InWindows<W>,
): ProcessorSupplier<K, V, Windowed<G>, number>
export function count(name: string, grouping: AnyGrouping = {}): CheckedAggregation & CheckedRows {
  const node = { name, operator: 'count' }
  const value = msgpack<number>()
  const ofRecords = aggregation(node, grouping, {
    value,
    create: () => 0,
    add: (before) => Number(before) + 1,
    merge: (before, next) => Number(before) + Number(next),
  })
  const ofRows = checkedRows(node, grouping, {
    value,
    create: () => 0,
    add: (before) => Number(before) + 1,
    subtract: (before) => Number(before) - 1,
  })
  return { ...ofRecords, ...ofRows }
}
