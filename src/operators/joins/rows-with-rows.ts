import type { Timestamped } from '../../state/store.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { Table, TableOperator } from '../../topology/stream.ts'
import {
  type Change,
  changeRow,
  mayBeForgotten,
  onChange,
  onLatestChange,
  sendChanges,
  storedRows,
  type TableRows,
  tableStoreSpec,
} from '../../topology/table.ts'
import type { KeptIn } from '../tables/row-by-row.ts'

/** A join of two tables. */
export interface RowJoin<K, L, R, VOut> extends KeptIn<K, VOut> {
  readonly name: string
  readonly operator: string
  readonly kind: 'inner' | 'left' | 'outer'
  readonly other: Table<K, R>
  readonly joiner: (left: L, right: R, key: K) => VOut
}

/** Of two values that may be missing: null where they make no row. */
type Joined<K, L, R, VOut> = (left: L | null, right: R | null, key: K) => VOut | null

/**
 * A table of what two tables make together. Each side has a node of its own, `<name>-left` and `<name>-right`, because it has to be known
 * on which one a row has changed; both end in `<name>`.
 */
export function joinRows<K, L, R, VOut>(join: RowJoin<K, L, R, VOut>): TableOperator<K, L, K, VOut> {
  const { name, kind, other, store } = join
  const joined = joinedOf(join)
  return {
    onTable: (table) => {
      const rows = rowsOfBoth(table.rows, other.rows, joined)
      const own = store && { ...store, key: store.key ?? table.rows.key }
      const left = table.derive(sideOf({ name: `${name}-left`, other, alone: kind !== 'inner', joined }), rows)
      const right = other.derive(
        sideOf<K, R, L, VOut>({
          name: `${name}-right`,
          other: table,
          alone: kind === 'outer',
          joined: (ofRight, ofLeft, key) => joined(ofLeft, ofRight, key),
        }),
        rows,
      )
      return left.derive(
        {
          name,
          operator: join.operator,
          inputs: [right],
          ...(own && { stores: [tableStoreSpec(name, own)], caching: own.caching }),
          create: () => meetingOf(name, own),
        },
        own ? storedRows(name, own.key, own) : rows,
      )
    },
  }
}

function joinedOf<K, L, R, VOut>({ kind, joiner }: RowJoin<K, L, R, VOut>): Joined<K, L, R, VOut> {
  const makesRow = {
    inner: (left: L | null, right: R | null) => left !== null && right !== null,
    left: (left: L | null) => left !== null,
    outer: (left: L | null, right: R | null) => left !== null || right !== null,
  }[kind]
  // What may be missing is said by the types of the operators.
  return (left, right, key) => (makesRow(left, right) ? joiner(left as L, right as R, key) : null)
}

interface Side<K, V, O, VOut> {
  readonly name: string
  readonly other: Table<K, O>
  /** A row of this side is one of the result though the other side has none. */
  readonly alone: boolean
  readonly joined: Joined<K, V, O, VOut>
}

/** What a change on one side does: it is joined with the row that the other side has now. */
function sideOf<K, V, O, VOut>({
  name,
  other,
  alone,
  joined,
}: Side<K, V, O, VOut>): ProcessorSupplier<K, Change<V>, K, Change<VOut>> {
  return {
    name,
    operator: 'joinSide',
    stores: other.stores,
    create: () =>
      onLatestChange((change, record, context) => {
        const { key, timestamp } = record
        const row = other.get(key, context)
        if (!row && !(alone && isThere(change)) && !mayBeForgotten(context)) return
        const beside = row ? row.value : null
        const value = {
          newValue: joined(change.newValue, beside, key),
          oldValue: () => joined(change.oldValue(), beside, key),
        }
        context.forward({ ...record, timestamp: row ? Math.max(timestamp, row.timestamp) : timestamp, value })
      }),
  }
}

function isThere({ newValue, oldValue }: Change<unknown>): boolean {
  return newValue !== null || oldValue() !== null
}

/**
 * Where both sides come together. With a store it knows what the row really was: a change that comes to both sides, because one table is
 * in both, is sent twice, and both times a side joins the old value with a row that is new already.
 */
function meetingOf<K, VOut>(name: string, store: KeptIn<K, VOut>['store']) {
  const send = sendChanges<K, VOut>(store ?? {})
  return onChange<K, VOut, K, VOut>((change, record, context) => {
    const value = store ? changeRow<K, VOut>(name, store, { ...record, value: change.newValue }, context) : change
    if (value) send(record, value, context)
  })
}

function rowsOfBoth<K, L, R, VOut>(
  left: TableRows<K, L>,
  right: TableRows<K, R>,
  joined: Joined<K, L, R, VOut>,
): TableRows<K, VOut> {
  return {
    key: left.key,
    stores: [...new Set([...left.stores, ...right.stores])],
    get: (key, context) => {
      const rows = [left.get(key, context), right.get(key, context)] as const
      const value = joined(valueIn(rows[0]), valueIn(rows[1]), key)
      const timestamp = Math.max(...rows.flatMap((row) => row?.timestamp ?? []))
      return value === null ? undefined : { value, timestamp }
    },
  }
}

function valueIn<V>(row: Timestamped<V> | undefined): V | null {
  return row ? row.value : null
}
