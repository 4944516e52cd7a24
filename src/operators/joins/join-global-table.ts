import { type StreamRecord, withValue } from '../../record.ts'
import type { GlobalTable } from '../../topology/global-table.ts'
import type { DropReason, ProcessorContext, ProcessorSupplier } from '../../topology/processor.ts'
import { leaveOut } from './leave-out.ts'

/** Which row of a global table belongs to a record. */
export interface LooksUpBy<K, V, G> {
  /** The key of the row; null: none. Is not asked about null values: they are dropped and counted. */
  readonly by: (value: V, key: K) => G | null
}

/**
 * Joins each record with the row of a global table that `by` names, as it is in this instance when the record comes. Records stay where they
 * are, and keep their key and time: nothing is repartitioned. A record without a key is joined as any other. One without a row is left out;
 * one without a value, and one for which `by` gives null, is dropped and counted. Where the stream ends in an index, all of these are
 * deletions there: they go on as tombstones, as in `filter`.
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
  const node = { name, operator: 'joinGlobalTable', kind: 'inner' } as const
  // An inner join is not asked without a row.
  return joining({ ...node, table, by, joiner: joiner as GlobalJoin<K, V, G, R, VOut>['joiner'] })
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
  return joining({ name, operator: 'leftJoinGlobalTable', kind: 'left', table, by, joiner })
}

interface GlobalJoin<K, V, G, R, VOut> extends LooksUpBy<K, V, G> {
  readonly name: string
  readonly operator: string
  readonly kind: 'inner' | 'left'
  readonly table: GlobalTable<G, R>
  readonly joiner: (value: V, row: R | null, key: K) => VOut
}

function joining<K, V, G, R, VOut>(join: GlobalJoin<K, V, G, R, VOut>): ProcessorSupplier<K, V, K, VOut> {
  const { name, operator, table } = join
  return {
    name,
    operator,
    globalTables: [table.name],
    leavesOut: join.kind === 'inner',
    create: () => ({ process: (record, context) => joined(join, record, context) }),
  }
}

function joined<K, V, G, R, VOut>(
  { kind, table, by, joiner }: GlobalJoin<K, V, G, R, VOut>,
  record: StreamRecord<K, V>,
  context: ProcessorContext<K, VOut>,
): void {
  const { key, value } = record
  const rowKey = value === null ? null : by(value, key)
  const row = rowKey === null ? undefined : table.get(rowKey, context)
  if (value !== null && (row || kind === 'left')) {
    context.forward(withValue(record, joiner(value, row ? row.value : null, key)))
  } else leaveOut(record, context, reasonOf(value, rowKey))
}

/** Why there is no result; undefined when there is just no row. */
function reasonOf(value: unknown, rowKey: unknown): DropReason | undefined {
  if (value === null) return 'null_value'
  return rowKey === null ? 'null_key' : undefined
}
