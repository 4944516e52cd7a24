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

/** Sessions that become one need their aggregates joined; it gets the earlier one first, to begin with what `initialize` gives. */
export type Merger<K, A, W> = W extends SessionWindows
  ? { readonly merge: (aggregate: A, next: A, key: K) => A }
  : { readonly merge?: undefined }

/**
 * Aggregates the values of each key, or of each key and window, in the store `name`. Every record sends the new aggregate on.
 *
 * @example
 * orders.process(aggregate('revenue', {
 *   initialize: () => 0,
 *   add: (sum, order) => sum + order.total,
 * }))
 */
export function aggregate<K, V, A, W extends Windows | undefined = undefined>(
  name: string,
  options: Aggregator<K, V, A, W> & GroupedByKey<K, W> & Merger<K, A, W>,
): ProcessorSupplier<K | null, V, GroupKey<K, W>, A>
export function aggregate<K, V, G, A, W extends Windows | undefined = undefined>(
  name: string,
  options: Aggregator<G, V, A, W> & GroupedBy<K, V, G, W> & Merger<G, A, W>,
): ProcessorSupplier<K, V, GroupKey<G, W>, A>
export function aggregate(name: string, options: AnyGrouping & AnyAggregator): CheckedSupplier {
  const { initialize, add, merge, value = msgpack<unknown>() } = options
  return aggregation({ name, operator: 'aggregate' }, options, {
    value,
    create: initialize,
    add: (before, next, key) => add(before as never, next as never, key as never),
    merge: (before, next, key) => (merge ? merge(before as never, next as never, key as never) : next),
  })
}

interface AnyAggregator {
  readonly initialize: () => unknown
  readonly add: (aggregate: never, value: never, key: never) => unknown
  readonly merge?: ((aggregate: never, next: never, key: never) => unknown) | undefined
  readonly value?: Serde<unknown>
}
