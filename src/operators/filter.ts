import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'
import type { TableOperator } from '../topology/stream.ts'
import { type KeptIn, rowByRow } from './tables/row-by-row.ts'

/** Fits the `process` of a stream and that of a table. */
type Filter<K, V> = ProcessorSupplier<K, V, K, V> & TableOperator<K, V, K, V>

/**
 * Keeps the records, or the rows, whose value passes.
 *
 * Where a stream ends in an index it is treated as what it is there, a table of documents: a document that does not pass any more
 * is a deletion, so it goes on as a tombstone. Everywhere else a record that does not pass is dropped, and tombstones pass.
 *
 * A row of a table that does not pass any more is deleted; what did not pass before either sends nothing. The predicate may see a value
 * twice, as the new and as the old one. With `store` the rows that pass are kept in the store `name`; it fits tables only.
 *
 * @example
 * documents.process(filter('published', (document) => document.published))
 */
export function filter<K, V>(name: string, predicate: (value: V, key: K) => boolean): Filter<K, V>
export function filter<K, V>(
  name: string,
  predicate: (value: V, key: K) => boolean,
  options: KeptIn<K, V>,
): TableOperator<K, V, K, V>
export function filter<K, V>(
  name: string,
  predicate: (value: V, key: K) => boolean,
  options: KeptIn<K, V> = {},
): Filter<K, V> {
  return filtering({ name, operator: 'filter' }, predicate, options)
}

/** Keeps the records, or the rows, whose value does not pass; otherwise as `filter`. */
export function filterNot<K, V>(name: string, predicate: (value: V, key: K) => boolean): Filter<K, V>
export function filterNot<K, V>(
  name: string,
  predicate: (value: V, key: K) => boolean,
  options: KeptIn<K, V>,
): TableOperator<K, V, K, V>
export function filterNot<K, V>(
  name: string,
  predicate: (value: V, key: K) => boolean,
  options: KeptIn<K, V> = {},
): Filter<K, V> {
  return filtering({ name, operator: 'filterNot' }, (value, key) => !predicate(value, key), options)
}

function filtering<K, V>(
  node: { readonly name: string; readonly operator: string },
  passes: (value: V, key: K) => boolean,
  { store }: KeptIn<K, V>,
): Filter<K, V> {
  const row = (value: V, key: K): V | null => (passes(value, key) ? value : null)
  return {
    ...node,
    ...rowByRow<K, V, V>({ ...node, row, sendsAll: false, ...(store && { store }) }),
    leavesOut: true,
    create: () => ({
      process(record, context) {
        if (record.value === null || passes(record.value, record.key)) context.forward(record)
        else if (context.maintainsIndex) context.forward(withValue<K, V>(record, null))
      },
    }),
  }
}
