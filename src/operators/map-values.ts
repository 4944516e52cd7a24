import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'

/** Replaces each value by one other; keys stay. Tombstones pass as they are. */
export function mapValues<K, V, VOut>(
  name: string,
  mapper: (value: V, key: K) => VOut,
): ProcessorSupplier<K, V, K, VOut> {
  return {
    name,
    operator: 'mapValues',
    create: () => ({
      process(record, context) {
        const value = record.value === null ? null : mapper(record.value, record.key)
        context.forward(withValue(record, value))
      },
    }),
  }
}

/**
 * Replaces each value by any number of others under the same key. Tombstones pass as they are.
 *
 * Where the stream ends in an index, a document that yields nothing is a deletion: it goes on as a tombstone, as in `filter`.
 */
export function flatMapValues<K, V, VOut>(
  name: string,
  mapper: (value: V, key: K) => Iterable<VOut>,
): ProcessorSupplier<K, V, K, VOut> {
  return {
    name,
    operator: 'flatMapValues',
    create: () => ({
      process(record, context) {
        let isDeletion = record.value === null || context.maintainsIndex
        const values = record.value === null ? [] : mapper(record.value, record.key)
        for (const value of values) {
          isDeletion = false
          context.forward(withValue(record, value))
        }
        if (isDeletion) context.forward(withValue<K, VOut>(record, null))
      },
    }),
  }
}
