import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'
import type { TableOperator } from '../topology/stream.ts'
import { type KeptIn, rowByRow } from './tables/row-by-row.ts'

/**
 * Replaces each value by one other, in a stream or in a table; keys stay. Tombstones pass as they are; null in place of a value is one.
 *
 * On a table the mapper may be called for an old value too, and for a row that another step looks up. With `store` what it gave is kept
 * in the store `name`; it fits tables only.
 *
 * @example
 * users.process(mapValues('countries', (user) => user.country))
 */
export function mapValues<K, V, VOut>(
  name: string,
  mapper: (value: V, key: K) => VOut,
): ProcessorSupplier<K, V, K, VOut> & TableOperator<K, V, K, VOut>
export function mapValues<K, V, VOut>(
  name: string,
  mapper: (value: V, key: K) => VOut,
  options: KeptIn<K, VOut>,
): TableOperator<K, V, K, VOut>
export function mapValues<K, V, VOut>(
  name: string,
  mapper: (value: V, key: K) => VOut,
  { store }: KeptIn<K, VOut> = {},
): ProcessorSupplier<K, V, K, VOut> & TableOperator<K, V, K, VOut> {
  const operator = 'mapValues'
  return {
    name,
    operator,
    ...rowByRow<K, V, VOut>({ name, operator, row: mapper, sendsAll: true, ...(store && { store }) }),
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
