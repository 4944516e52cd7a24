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
import type { SessionWindows, Windows } from './windows.ts'

/** How values become an aggregate. Aggregates are values: return a new one, and leave the old one as it is. */
export interface Aggregator<K, V, A, W> {
  /** What a key, or a window, begins with. */
  readonly initialize: () => A
  /** Null deletes the aggregate. */
  readonly add: (aggregate: A, value: GroupValue<V, W>, key: K) => A | null
  /** Serde of the aggregates in the store; default MessagePack, for plain data. */
  readonly value?: Serde<A>
}

/** As `Aggregator`, for the rows of a table. */
export interface RowAggregator<G, V, A> extends Aggregator<G, V, A, undefined> {
  /** Takes a value that was replaced, or is gone, out of the aggregate. Null deletes it. */
  readonly subtract: (aggregate: A, value: V, key: G) => A | null
}

/** Sessions that become one need their aggregates joined; it gets the earlier one first, to begin with what `initialize` gives. */
export type Merger<K, A, W> = W extends SessionWindows
  ? { readonly merge: (aggregate: A, next: A, key: K) => A }
  : { readonly merge?: undefined }

/**
 * Aggregates the values of each key, or of each key and window, in the store `name`. Every record sends the new aggregate on.
 *
 * On a table, with `by` and `subtract`, it aggregates the rows of each group: what a change replaced is taken out before what came is added.
 *
 * @example
 * orders.process(aggregate('revenue', {
 *   initialize: () => 0,
 *   add: (sum, order) => sum + order.total,
 * }))
 */
export function aggregate<K, V, A>(
  name: string,
  options: Aggregator<K, V, A, undefined> & GroupedByKey<K, undefined> & Merger<K, A, undefined>,
): Aggregation<K | null, V, K, A>
export function aggregate<K, V, G, A>(
  name: string,
  options: RowAggregator<G, V, A> & GroupedRows<K, V, G>,
): TableOperator<K, V, G, A>
export function aggregate<K, V, G, A>(
  name: string,
  options: Aggregator<G, V, A, undefined> & GroupedBy<K, V, G, undefined> & Merger<G, A, undefined>,
): Aggregation<K, V, G, A>
export function aggregate<K, V, A, W extends Windows>(
  name: string,
  options: Aggregator<K, V, A, W> & GroupedByKey<K, W> & InWindows<W> & Merger<K, A, W>,
): ProcessorSupplier<K | null, V, Windowed<K>, A>
export function aggregate<K, V, G, A, W extends Windows>(
  name: string,
  options: Aggregator<G, V, A, W> & GroupedBy<K, V, G, W> & InWindows<W> & Merger<G, A, W>,
): ProcessorSupplier<K, V, Windowed<G>, A>
export function aggregate(name: string, options: AnyGrouping & AnyAggregator): object {
  const node = { name, operator: 'aggregate' }
  const { initialize, add, merge, subtract, value = msgpack<unknown>() } = options
  const added = (before: unknown, next: unknown, key: unknown): unknown =>
    add(before as never, next as never, key as never)
  if (!subtract) {
    return aggregation(node, options, {
      value,
      create: initialize,
      add: added,
      merge: (before, next, key) => (merge ? merge(before as never, next as never, key as never) : next),
    })
  }
  return checkedRows(node, options, {
    value,
    create: initialize,
    add: added,
    subtract: (before, replaced, key) => subtract(before as never, replaced as never, key as never),
  })
}

interface AnyAggregator {
  readonly initialize: () => unknown
  readonly add: (aggregate: never, value: never, key: never) => unknown
  readonly subtract?: (aggregate: never, value: never, key: never) => unknown
  readonly merge?: ((aggregate: never, next: never, key: never) => unknown) | undefined
  readonly value?: Serde<unknown>
}
