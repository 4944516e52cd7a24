import { msgpack, type Serde } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { TableOperator } from '../../topology/stream.ts'
import type { Windowed } from '../../windowed.ts'
import { checkedRows, type GroupedRows } from '../tables/aggregate-rows.ts'
import {
  type Aggregation,
  type AnyGrouping,
  aggregation,
  type GroupedBy,
  type GroupedByKey,
  type GroupValue,
  type InWindows,
} from './grouping.ts'
import type { Windows } from './windows.ts'

/** Makes one value of two. Null deletes. */
export type Reducer<V, W> = (aggregate: V, value: GroupValue<V, W>) => V | null

interface Reduced<V> {
  /** Serde of the values in the store; default MessagePack, for plain data. */
  readonly value?: Serde<V>
}

/** How the rows of a table are taken out again. */
export interface ReducedRows<V> extends Reduced<V> {
  /** Takes a value that was replaced, or is gone, out of what the reducer made. */
  readonly subtract: (aggregate: V, value: V) => V | null
}

/**
 * Joins the values of each key, or of each key and window, in the store `name`; the first one is taken as it is. Sessions that become one
 * are joined by the same function. Every record sends the new value on.
 *
 * On a table, with `by` and `subtract`, it joins the rows of each group: what a change replaced is taken out before what came is joined.
 *
 * @example
 * orders.process(reduce('largest', (largest, order) => (order.total > largest.total ? order : largest)))
 * stock.process(reduce('per-warehouse', (a, b) => a + b, { by: (_, key) => key.slice(0, 3), subtract: (a, b) => a - b }))
 */
export function reduce<K, V>(
  name: string,
  reducer: Reducer<V, undefined>,
  grouping?: GroupedByKey<K, undefined> & Reduced<V>,
): Aggregation<K | null, V, K, V>
export function reduce<K, V, G>(
  name: string,
  reducer: Reducer<V, undefined>,
  grouping: GroupedRows<K, V, G> & ReducedRows<V>,
): TableOperator<K, V, G, V>
export function reduce<K, V, G>(
  name: string,
  reducer: Reducer<V, undefined>,
  grouping: GroupedBy<K, V, G, undefined> & Reduced<V>,
): Aggregation<K, V, G, V>
export function reduce<K, V, W extends Windows>(
  name: string,
  reducer: Reducer<V, W>,
  grouping: GroupedByKey<K, W> & InWindows<W> & Reduced<V>,
): ProcessorSupplier<K | null, V, Windowed<K>, V>
export function reduce<K, V, G, W extends Windows>(
  name: string,
  reducer: Reducer<V, W>,
  grouping: GroupedBy<K, V, G, W> & InWindows<W> & Reduced<V>,
): ProcessorSupplier<K, V, Windowed<G>, V>
export function reduce(
  name: string,
  reducer: (aggregate: never, value: never) => unknown,
  grouping: AnyGrouping & AnyReduced = {},
): object {
  const node = { name, operator: 'reduce' }
  const { subtract, value = msgpack<unknown>() } = grouping
  const joined = (before: unknown, next: unknown): unknown =>
    before === null ? next : reducer(before as never, next as never)
  if (!subtract) return aggregation(node, grouping, { value, create: () => null, add: joined, merge: joined })
  const without = (before: unknown, replaced: unknown): unknown => subtract(before as never, replaced as never)
  return checkedRows(node, grouping, { value, create: () => null, add: joined, subtract: without })
}

interface AnyReduced {
  readonly value?: Serde<unknown>
  readonly subtract?: (aggregate: never, value: never) => unknown
}
