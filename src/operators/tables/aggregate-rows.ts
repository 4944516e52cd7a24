import { withKeyValue } from '../../record.ts'
import { msgpack, type Serde, textKeys } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { TableOperator } from '../../topology/stream.ts'
import {
  type Change,
  changeBetween,
  onChange,
  putRow,
  rowsIn,
  sendChanges,
  storedRows,
  tableStoreSpec,
} from '../../topology/table.ts'
import type { Caching } from '../../topology/updates.ts'
import { sameBytes } from '../same-bytes.ts'
import { changeOf } from './change-serde.ts'

/** Rows of a table under another key: changes travel through the topic `<application>-<name>-repartition`. */
export interface GroupedRows<K, V, G> extends Caching {
  /** The group of a row. A row whose group is null is in none. Must give the same group for the same row. */
  readonly by: (value: V, key: K) => G | null
  /** Serde of the groups, in the topic and in the store; default UTF-8 text, for groups that are strings. */
  readonly key?: Serde<G>
  /** Serde of the rows on their way; default MessagePack, for plain data. */
  readonly input?: Serde<V>
  /** Of the repartition topic; default: the largest partition count of the topics that feed it. */
  readonly partitions?: number
  /** Default `level`. */
  readonly storage?: 'level' | 'memory'
}

/** How the rows of a group become one. What `create` gives is never changed: `add` and `subtract` return what comes next; null deletes. */
export interface RowFold<G, V, A> {
  readonly value: Serde<A>
  readonly create: () => A | null
  readonly add: (aggregate: A | null, value: V, group: G) => A | null
  /** Undoes an `add` of this value. */
  readonly subtract: (aggregate: A, value: V, group: G) => A | null
}

/** One aggregate a group: what a change replaced is taken out of it before what came is added. Every change sends the aggregate on. */
function aggregateRows<K, V, G, A>(
  node: { readonly name: string; readonly operator: string },
  grouping: GroupedRows<K, V, G>,
  fold: RowFold<G, V, A>,
): TableOperator<K, V, G, A> {
  const { name } = node
  const { storage = 'level', key = textKeys<G>(), caching = false } = grouping
  const store = { key, value: fold.value, storage, caching }
  const supplier: ProcessorSupplier<G, Change<V>, G, Change<A>> = {
    ...node,
    stores: [tableStoreSpec(name, store)],
    caching,
    create: () => rowAggregates(name, fold, sendChanges<G, A>(store)),
  }
  // Seen from the table it begins with the step that changes the key.
  const grouped = { ...supplier, precededBy: regroup(name, key, grouping) } as unknown as ProcessorSupplier<
    K,
    Change<V>,
    G,
    Change<A>
  >
  return { onTable: (table) => table.derive(grouped, storedRows(name, key)) }
}

/** Fits wherever rows are aggregated: the operators say what goes in and comes out. */
export type CheckedRows = TableOperator<unknown, unknown, never, never>

/** `grouping` has a `by` whenever the result is given to a table: the types of the operators see to it. */
export function checkedRows(
  node: { readonly name: string; readonly operator: string },
  grouping: object,
  fold: RowFold<unknown, unknown, unknown>,
): CheckedRows {
  return aggregateRows(node, grouping as GroupedRows<unknown, unknown, unknown>, fold) as CheckedRows
}

function rowAggregates<V, G, A>(store: string, fold: RowFold<G, V, A>, send: ReturnType<typeof sendChanges<G, A>>) {
  return onChange<G, V, G, A>((change, record, context) => {
    const { key } = record
    const aggregates = rowsIn<G, A>(store, context)
    const stored = aggregates.get(key)
    const before = stored ? stored.value : null
    const replaced = change.oldValue()
    const left = before !== null && replaced !== null ? fold.subtract(before, replaced, key) : before
    const after = change.newValue === null ? left : fold.add(left ?? fold.create(), change.newValue, key)
    const timestamp = Math.max(stored?.timestamp ?? record.timestamp, record.timestamp)
    putRow(aggregates, { key, value: after, timestamp })
    send({ ...record, timestamp, recordMs: record.timestamp }, changeBetween(after, before), context)
  })
}

/** A row that stays in its group is one change there; one that moves leaves the old group first, then comes to the new one. */
function regroup<K, V, G>(
  name: string,
  key: Serde<G>,
  { by, input = msgpack<V>(), partitions }: GroupedRows<K, V, G>,
): ProcessorSupplier<K, Change<V>, G, Change<V>> {
  const same = (a: G, b: G): boolean => a === b || sameBytes(key.serialize(a), key.serialize(b))
  return {
    name: `${name}-by`,
    operator: 'groupBy',
    changesKey: true,
    repartition: {
      name,
      key: key as Serde<unknown>,
      value: changeOf(input) as Serde<unknown>,
      ...(partitions !== undefined && { partitions }),
    },
    create: () =>
      onChange<K, V, G, V>((change, record, context) => {
        // The group has the newer row. As in Kafka Streams, where a join of tables counts that as dropped, this does not.
        if (change.outOfOrder) return
        const groupOf = (value: V | null): G | null => (value === null ? null : by(value, record.key))
        for (const [group, moved] of moves(change, groupOf, same)) context.forward(withKeyValue(record, group, moved))
      }),
  }
}

function moves<V, G>(
  { newValue, oldValue }: Change<V>,
  groupOf: (value: V | null) => G | null,
  same: (a: G, b: G) => boolean,
): readonly (readonly [group: G, change: Change<V>])[] {
  const replaced = oldValue()
  const from = groupOf(replaced)
  const to = groupOf(newValue)
  if (from !== null && to !== null && same(from, to)) return [[to, changeBetween(newValue, replaced)]]
  const left = from === null ? [] : [[from, changeBetween<V>(null, replaced)] as const]
  return to === null ? left : [...left, [to, changeBetween(newValue, null)]]
}
