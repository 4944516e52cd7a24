import type { Serde } from '../../serde.ts'
import type { Table, TableOperator } from '../../topology/stream.ts'
import { storedRows, type TableStore } from '../../topology/table.ts'
import type { Caching } from '../../topology/updates.ts'
import { keepSubscriptions, sendAnswers, tellSubscribers } from './foreign-key/answer.ts'
import { type ForeignKeyJoin, valueSerde } from './foreign-key/foreign-key-join.ts'
import { joinAnswers } from './foreign-key/result.ts'
import { subscribe } from './foreign-key/subscribe.ts'

/** Which row of the other table a row belongs to, and where the result is kept. */
export interface JoinedByForeignKey<K, L, F, R, VOut> {
  /** The key of the row on the other side; null: none. Must give the same key for the same row. */
  readonly by: (value: L, key: K) => F | null
  /** Serde of the values of this table, which are told apart by what it writes; default that of its store, else MessagePack. */
  readonly left?: Serde<L>
  /** Serde of the values of the other table on their way; default that of its store, else MessagePack. */
  readonly right?: Serde<R>
  /** Where the result is kept, under the name of the step. */
  readonly store?: TableStore<K, VOut> & Caching
}

/**
 * Joins each row of a table with the row of another one whose key is in its value: many may belong to one. The result has the keys of this
 * table; a change on either side updates it, at the later of both times when this table changed, else at that of the other one.
 *
 * A row for which `by` gives null is in no result, dropped and counted. One that comes to refer to a row that is not there loses its result.
 *
 * The two tables may have any partition counts. Rows travel through the topics `<application>-<name>-subscription-registration-topic` and
 * `-subscription-response-topic`; who refers to which row is kept in the store `<name>-subscription-store`. Kafka Streams: the join with a
 * `foreignKeyExtractor` (KIP-213).
 *
 * @example
 * const customers = builder.table('customers', kafka({ topic: 'customers', key: string, value: json(Customer) }))
 * orders.process(joinByForeignKey('with-customer', customers, (order, customer) => ({ ...order, customer: customer.name }), {
 *   by: (order) => order.customerId,
 * }))
 */
export function joinByForeignKey<K, L, F, R, VOut>(
  name: string,
  other: Table<F, R>,
  joiner: (left: L, right: R, key: K) => VOut,
  options: JoinedByForeignKey<K, L, NoInfer<F>, R, VOut>,
): TableOperator<K, L, K, VOut> {
  const node = { name, operator: 'joinByForeignKey', kind: 'inner' } as const
  // An inner join has no result without a right row.
  return joining(node, { other, joiner: joiner as (left: L, right: R | null, key: K) => VOut, options })
}

/**
 * As `joinByForeignKey`, and each row of this table gives one: with null where the other table has no row for it.
 *
 * @example
 * orders.process(leftJoinByForeignKey('with-customer', customers, (order, customer) => ({ ...order, customer: customer?.name ?? '?' }), { by }))
 */
export function leftJoinByForeignKey<K, L, F, R, VOut>(
  name: string,
  other: Table<F, R>,
  joiner: (left: L, right: R | null, key: K) => VOut,
  options: JoinedByForeignKey<K, L, NoInfer<F>, R, VOut>,
): TableOperator<K, L, K, VOut> {
  return joining({ name, operator: 'leftJoinByForeignKey', kind: 'left' }, { other, joiner, options })
}

interface Sides<K, L, F, R, VOut> {
  readonly other: Table<F, R>
  readonly joiner: (left: L, right: R | null, key: K) => VOut
  readonly options: JoinedByForeignKey<K, L, F, R, VOut>
}

function joining<K, L, F, R, VOut>(
  node: Pick<ForeignKeyJoin<K, L, F, R, VOut>, 'name' | 'operator' | 'kind'>,
  { other: right, joiner, options }: Sides<K, L, F, R, VOut>,
): TableOperator<K, L, K, VOut> {
  return {
    onTable: (left) => {
      const { by, left: leftValue = valueSerde(left), right: rightValue = valueSerde(right), store: own } = options
      const store = { ...own, key: own?.key ?? left.rows.key }
      const join: ForeignKeyJoin<K, L, F, R, VOut> = { ...node, left, right, joiner, by, leftValue, rightValue, store }
      const answered = left.deriveStream(subscribe(join)).process(keepSubscriptions(join))
      const answers = answered.process(sendAnswers(join, [right.deriveStream(tellSubscribers(join))]))
      return answers.derive(joinAnswers(join), storedRows(node.name, store.key, store))
    },
  }
}
