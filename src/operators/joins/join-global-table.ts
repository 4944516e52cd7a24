import { withValue } from '../../record.ts'
import type { GlobalTable } from '../../topology/global-table.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'

/** Which row of a global table belongs to a record. */
export interface LooksUpBy<K, V, G> {
  /** The key of the row; null: none. Is not asked about null values: they are dropped and counted. */
  readonly by: (value: V, key: K) => G | null
}

/**
 * Joins each record with the row of a global table that `by` names, as it is in this instance when the record comes. Records stay where they
 * are, and keep their key and time: nothing is repartitioned. A record without a row is left out; one without a value, and one for which
 * `by` gives null, is dropped and counted. A record without a key is joined as any other.
 *
 * @example
 * const countries = builder.globalTable('countries', kafka({ topic: 'countries', key: string, value: json(Country) }))
 * views.process(joinGlobalTable('with-country', countries, (view, { name }) => ({ ...view, country: name }), { by: (view) => view.country }))
 */
export function joinGlobalTable<K, V, G, R, VOut>(
  name: string,
  table: GlobalTable<G, R>,
  joiner: (value: V, row: R, key: K) => VOut,
  { by }: LooksUpBy<K, V, NoInfer<G>>,
): ProcessorSupplier<K, V, K, VOut> {
  return {
    name,
    operator: 'joinGlobalTable',
    globalTables: [table.name],
    create: () => ({
      process(record, context) {
        const { key, value } = record
        if (value === null) return context.drop('null_value')
        const rowKey = by(value, key)
        if (rowKey === null) return context.drop('null_key')
        const row = table.get(rowKey, context)
        if (row) context.forward(withValue(record, joiner(value, row.value, key)))
      },
    }),
  }
}

/**
 * As `joinGlobalTable`, and a record that has no row is joined with null: because there is none, or because `by` gives null.
 *
 * @example
 * views.process(leftJoinGlobalTable('with-country', countries, (view, country) => ({ ...view, country: country?.name ?? '?' }), { by }))
 */
export function leftJoinGlobalTable<K, V, G, R, VOut>(
  name: string,
  table: GlobalTable<G, R>,
  joiner: (value: V, row: R | null, key: K) => VOut,
  { by }: LooksUpBy<K, V, NoInfer<G>>,
): ProcessorSupplier<K, V, K, VOut> {
  return {
    name,
    operator: 'leftJoinGlobalTable',
    globalTables: [table.name],
    create: () => ({
      process(record, context) {
        const { key, value } = record
        if (value === null) return context.drop('null_value')
        const rowKey = by(value, key)
        const row = rowKey === null ? undefined : table.get(rowKey, context)
        context.forward(withValue(record, joiner(value, row ? row.value : null, key)))
      },
    }),
  }
}
