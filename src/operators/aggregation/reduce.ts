import { msgpack, type Serde } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import {
  type AnyGrouping,
  aggregation,
  type CheckedSupplier,
  type GroupedBy,
  type GroupedByKey,
  type GroupKey,
  type GroupValue,
} from './grouping.ts'
import type { Windows } from './windows.ts'

/** Makes one value of two. Null deletes. */
export type Reducer<V, W> = (aggregate: V, value: GroupValue<V, W>) => V | null

interface Reduced<V> {
  /** Serde of the values in the store; default MessagePack, for plain data. */
  readonly value?: Serde<V>
}

/**
 * Joins the values of each key, or of each key and window, in the store `name`; the first one is taken as it is. Sessions that become one
 * are joined by the same function. Every record sends the new value on.
 *
 * @example
 * orders.process(reduce('largest', (largest, order) => (order.total > largest.total ? order : largest)))
 */
export function reduce<K, V, W extends Windows | undefined = undefined>(
  name: string,
  reducer: Reducer<V, W>,
  grouping?: GroupedByKey<K, W> & Reduced<V>,
): ProcessorSupplier<K | null, V, GroupKey<K, W>, V>
export function reduce<K, V, G, W extends Windows | undefined = undefined>(
  name: string,
  reducer: Reducer<V, W>,
  grouping: GroupedBy<K, V, G, W> & Reduced<V>,
): ProcessorSupplier<K, V, GroupKey<G, W>, V>
export function reduce(
  name: string,
  reducer: (aggregate: never, value: never) => unknown,
  grouping: AnyGrouping & Reduced<unknown> = {},
): CheckedSupplier {
  const joined = (before: unknown, value: unknown): unknown =>
    before === null ? value : reducer(before as never, value as never)
  return aggregation({ name, operator: 'reduce' }, grouping, {
    value: grouping.value ?? msgpack<unknown>(),
    create: () => null,
    add: joined,
    merge: joined,
  })
}
