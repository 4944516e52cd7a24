import { withKeyValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'

/** A key and a value; value null is a tombstone of that key. */
export type KeyValue<K, V> = readonly [key: K, value: V | null]

/**
 * Replaces key and value. The mapper sees tombstones (value null), because only it can tell which key they delete afterwards.
 * Stateful steps behind it need a `repartition` first.
 */
export function map<K, V, KOut, VOut>(
  name: string,
  mapper: (key: K, value: V | null) => KeyValue<KOut, VOut>,
): ProcessorSupplier<K, V, KOut, VOut> {
  return { ...flatMap(name, (key: K, value: V | null) => [mapper(key, value)]), operator: 'map' }
}

/**
 * Replaces each record by any number of others. The mapper sees tombstones (value null).
 *
 * What it yielded for an earlier version of a record is not remembered. Where the stream ends in an index, a key that it does not yield
 * any more keeps its points: yield `[key, null]` for it, or derive keys from the key alone, so that each version yields the same ones.
 */
export function flatMap<K, V, KOut, VOut>(
  name: string,
  mapper: (key: K, value: V | null) => Iterable<KeyValue<KOut, VOut>>,
): ProcessorSupplier<K, V, KOut, VOut> {
  return {
    name,
    operator: 'flatMap',
    changesKey: true,
    create: () => ({
      process(record, context) {
        for (const [key, value] of mapper(record.key, record.value)) context.forward(withKeyValue(record, key, value))
      },
    }),
  }
}

/**
 * Replaces the key; the value stays. The selector sees tombstones (value null). A key that is taken from the value leaves what stands
 * under the earlier one in an index, also when the record is deleted.
 *
 * @example
 * views.process(selectKey('by-author', (view, key) => view?.author ?? key))
 */
export function selectKey<K, V, KOut>(
  name: string,
  selector: (value: V | null, key: K) => KOut,
): ProcessorSupplier<K, V, KOut, V> {
  return {
    ...flatMap(name, (key: K, value: V | null) => [[selector(value, key), value] as const]),
    operator: 'selectKey',
  }
}
