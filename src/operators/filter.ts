import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'

/**
 * Keeps the records whose value passes.
 *
 * Where the stream ends in an index it is treated as what it is there, a table of documents: a document that does not pass any more
 * is a deletion, so it goes on as a tombstone. Everywhere else a record that does not pass is dropped, and tombstones pass.
 *
 * @example
 * documents.process(filter('published', (document) => document.published))
 */
export function filter<K, V>(name: string, predicate: (value: V, key: K) => boolean): ProcessorSupplier<K, V, K, V> {
  return filtering(name, 'filter', predicate)
}

/** Keeps the records whose value does not pass; otherwise as `filter`. */
export function filterNot<K, V>(name: string, predicate: (value: V, key: K) => boolean): ProcessorSupplier<K, V, K, V> {
  return filtering(name, 'filterNot', (value, key) => !predicate(value, key))
}

function filtering<K, V>(
  name: string,
  operator: string,
  passes: (value: V, key: K) => boolean,
): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator,
    create: () => ({
      process(record, context) {
        if (record.value === null || passes(record.value, record.key)) context.forward(record)
        else if (context.maintainsIndex) context.forward(withValue<K, V>(record, null))
      },
    }),
  }
}
