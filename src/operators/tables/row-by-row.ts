import { withValue } from '../../record.ts'
import type { Timestamped } from '../../state/store.ts'
import type { Table, TableOperator } from '../../topology/stream.ts'
import {
  onChange,
  replaceRow,
  rowsIn,
  storedRows,
  type TableRows,
  type TableStore,
  tableStoreSpec,
} from '../../topology/table.ts'

/** Given to `filter` and `mapValues` of a table, and to joins of tables. */
export interface KeptIn<K, V> {
  /** Keeps the rows in a store that has the step's name. Default: none, they are made of what the tables before have. */
  readonly store?: TableStore<K, V>
}

export interface RowByRow<K, V, VOut> extends KeptIn<K, VOut> {
  readonly name: string
  readonly operator: string
  /** Null: the row is not in the table that comes out. */
  readonly row: (value: V, key: K) => VOut | null
  /** A change between two rows that are not there goes on too. */
  readonly sendsAll: boolean
}

/** A table whose rows are each made of one row of the table before. */
export function rowByRow<K, V, VOut>(step: RowByRow<K, V, VOut>): TableOperator<K, V, K, VOut> {
  return {
    onTable: (table) => {
      const { name, operator, store } = step
      const own = store && { ...store, key: store.key ?? table.rows.key }
      return table.derive(
        {
          name,
          operator,
          ...(own && { stores: [tableStoreSpec(name, own)] }),
          create: () => madeOfRows(step),
        },
        own ? storedRows(name, own.key) : rowsMadeOf(table, step.row),
      )
    },
  }
}

function madeOfRows<K, V, VOut>({ name, row, store, sendsAll }: RowByRow<K, V, VOut>) {
  return onChange<K, V, K, VOut>((change, record, context) => {
    const made = (value: V | null): VOut | null => (value === null ? null : row(value, record.key))
    const next = withValue<K, VOut>(record, made(change.newValue))
    const before = store && replaceRow(rowsIn<K, VOut>(name, context), next)
    const oldValue = (): VOut | null => (before === undefined ? made(change.oldValue()) : before)
    if (next.value === null && !sendsAll && oldValue() === null) return
    context.forward(withValue(record, { newValue: next.value, oldValue }))
  })
}

function rowsMadeOf<K, V, VOut>({ rows }: Table<K, V>, row: (value: V, key: K) => VOut | null): TableRows<K, VOut> {
  return {
    key: rows.key,
    stores: rows.stores,
    get: (key, context) => {
      const found = rows.get(key, context)
      return found && withRow(found, row(found.value, key))
    },
  }
}

function withRow<V>({ timestamp }: Timestamped<unknown>, value: V | null): Timestamped<V> | undefined {
  return value === null ? undefined : { value, timestamp }
}
