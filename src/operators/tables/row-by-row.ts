import { withValue } from '../../record.ts'
import type { Timestamped } from '../../state/store.ts'
import type { Table, TableOperator } from '../../topology/stream.ts'
import {
  changeRow,
  mayBeForgotten,
  onChange,
  sendChanges,
  storedRows,
  type TableHistory,
  type TableRows,
  type TableStore,
  tableStoreSpec,
} from '../../topology/table.ts'
import type { Caching } from '../../topology/updates.ts'

/** Given to `filter` and `mapValues` of a table, and to joins of tables. */
export interface KeptIn<K, V> {
  /** Keeps the rows in a store that has the step's name. Default: none, they are made of what the tables before have. */
  readonly store?: TableStore<K, V> & TableHistory & Caching
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
          ...(own && { stores: [tableStoreSpec(name, own)], caching: own.caching }),
          create: () => madeOfRows({ ...step, ...(own && { store: own }) }, table.rows.history !== undefined),
        },
        own ? storedRows(name, own.key, own) : rowsMadeOf(table, step.row),
      )
    },
  }
}

/** Behind a versioned table a change out of order does not know what it replaced: tombstones go on whatever was there. */
function madeOfRows<K, V, VOut>({ name, row, store, sendsAll }: RowByRow<K, V, VOut>, versioned: boolean) {
  const send = sendChanges<K, VOut>(store ?? {})
  return onChange<K, V, K, VOut>((change, record, context) => {
    const made = (value: V | null): VOut | null => (value === null ? null : row(value, record.key))
    const next = withValue<K, VOut>(record, made(change.newValue))
    const value = store
      ? changeRow<K, VOut>(name, store, next, context)
      : { ...change, newValue: next.value, oldValue: () => made(change.oldValue()) }
    if (!value) return
    const isNothing = next.value === null && value.oldValue() === null
    if (isNothing && !sendsAll && !versioned && !mayBeForgotten(context)) return
    send(record, value, context)
  })
}

function rowsMadeOf<K, V, VOut>({ rows }: Table<K, V>, row: (value: V, key: K) => VOut | null): TableRows<K, VOut> {
  const { key, stores, history } = rows
  const made = (of: K, found: Timestamped<V> | undefined) => found && withRow(found, row(found.value, of))
  return {
    key,
    stores,
    get: (of, context) => made(of, rows.get(of, context)),
    ...(history && {
      history: { ...history, getAsOf: (of: K, asOfMs, context) => made(of, history.getAsOf(of, asOfMs, context)) },
    }),
  }
}

function withRow<V>({ timestamp }: Timestamped<unknown>, value: V | null): Timestamped<V> | undefined {
  return value === null ? undefined : { value, timestamp }
}
