import { msgpack } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import {
  type AnyGrouping,
  aggregation,
  type CheckedSupplier,
  type GroupedBy,
  type GroupedByKey,
  type GroupKey,
} from './grouping.ts'
import type { Windows } from './windows.ts'

/**
 * Counts the records of each key, or of each key and window, in the store `name`. Every record sends the new count on.
 *
 * @example
 * views.process(count('views-per-author', { by: (view) => view?.author ?? null, window: tumbling({ sizeMs: 60_000 }) }))
 */
export function count<K, V, W extends Windows | undefined = undefined>(
  name: string,
  grouping?: GroupedByKey<K, W>,
): ProcessorSupplier<K | null, V, GroupKey<K, W>, number>
export function count<K, V, G, W extends Windows | undefined = undefined>(
  name: string,
  grouping: GroupedBy<K, V, G, W>,
): ProcessorSupplier<K, V, GroupKey<G, W>, number>
export function count(name: string, grouping: AnyGrouping = {}): CheckedSupplier {
  return aggregation({ name, operator: 'count' }, grouping, {
    value: msgpack<number>(),
    create: () => 0,
    add: (before) => Number(before) + 1,
    merge: (before, next) => Number(before) + Number(next),
  })
}
