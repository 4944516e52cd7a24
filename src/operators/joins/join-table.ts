import type { Serde } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { Table, TableOperator } from '../../topology/stream.ts'
import type { KeptIn } from '../tables/row-by-row.ts'
import { type AnyRecordJoin, joinRecords } from './records-with-rows.ts'
import { joinRows } from './rows-with-rows.ts'

/** A stream waits for a versioned table, so that rows of the time of a record can still come. */
export interface JoinedAfterGrace<V> {
  /** A record waits until one has come to the join whose time is so much later. */
  readonly graceMs: number
  /** Serde of the values that wait; default MessagePack, for plain data. */
  readonly input?: Serde<V>
  /** Of the store `<name>-waiting`, in which they wait. Default `level`. */
  readonly storage?: 'level' | 'memory'
}

/** A stream is joined under another key than its own: records travel through the topic `<application>-<name>-repartition` first. */
export interface JoinedBy<K, V, G> extends Partial<JoinedAfterGrace<V>> {
  /** The key of the row. Is not asked about null values: they are dropped and counted, as without it. */
  readonly by: (value: V, key: K) => G
  /** Serde of the values on their way, and while they wait; default MessagePack, for plain data. */
  readonly input?: Serde<V>
  /** Of the repartition topic; default that of the topics of the table. */
  readonly partitions?: number
}

/** Fits the `process` of a stream and that of a table. */
type Join<KIn, K, V, VOut> = ProcessorSupplier<KIn, V, K, VOut> & TableOperator<K, V, K, VOut>

/**
 * Joins the rows of a table with what has the same key: with each record of a stream, or with the rows of another table.
 *
 * A record of a stream is joined with the row as it is when the record comes; what happens in the table afterwards changes nothing.
 * A record without a row, and one whose key by `by` is null, is left out; one without key or value is dropped and counted. What comes
 * out has the time of the record.
 *
 * Where the stream ends in an index, a record without a row or a value is a deletion there: it goes on as a tombstone, as in `filter`. With
 * `by` only the value says which key that is, so what stood under an earlier key stays, as with `selectKey`.
 *
 * In a versioned table the row is looked up as it was at the time of the record, whatever came since. With `graceMs` the record waits before
 * that for rows which come late: then records go out in the order of time. Where the table has no history so long, that is TOPOLOGY_INVALID.
 *
 * Two tables give a third: each change on either side sends the row that the two make now, at the later of both times. With `store` its
 * rows are kept in the store `name`.
 *
 * Topics whose keys meet must have equal partition counts: TOPIC_MISMATCH at the start.
 *
 * @example
 * const authors = builder.table('authors', kafka({ topic: 'authors', key: string, value: json(Author) }))
 * views.process(joinTable('with-author', authors, (view, author) => ({ ...view, author: author.name }), { by: (view) => view.authorId }))
 */
export function joinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<K>, R>,
  joiner: (value: V, row: R, key: K) => VOut,
): Join<K | null, K, V, VOut>
export function joinTable<K, V, G, R, VOut>(
  name: string,
  other: Table<NoInfer<NonNullable<G>>, R>,
  joiner: (value: V, row: R, key: NonNullable<G>) => VOut,
  options: JoinedBy<K, V, G>,
): ProcessorSupplier<K, V, NonNullable<G>, VOut>
export function joinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<K>, R>,
  joiner: (value: V, row: R, key: K) => VOut,
  options: JoinedAfterGrace<V>,
): ProcessorSupplier<K | null, V, K, VOut>
export function joinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<K>, R>,
  joiner: (value: V, row: R, key: K) => VOut,
  options: KeptIn<K, VOut>,
): TableOperator<K, V, K, VOut>
export function joinTable(name: string, other: AnyTable, joiner: AnyJoiner, options: AnyJoinOptions = {}): object {
  return joining({ name, operator: 'joinTable', kind: 'inner' }, { other, joiner, options })
}

/**
 * As `joinTable`, and what has no row on the other side is joined with null: records of a stream, those without a key too, or rows of this
 * table. A row that is only on the other side gives nothing. With `graceMs` a record without a key is dropped and counted.
 *
 * @example
 * views.process(leftJoinTable('with-author', authors, (view, author) => ({ ...view, author: author?.name ?? 'unknown' })))
 */
export function leftJoinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<NonNullable<K>>, R>,
  joiner: (value: V, row: R | null, key: K) => VOut,
): Join<K, K, V, VOut>
export function leftJoinTable<K, V, G, R, VOut>(
  name: string,
  other: Table<NoInfer<NonNullable<G>>, R>,
  joiner: (value: V, row: R | null, key: G) => VOut,
  options: JoinedBy<K, V, G>,
): ProcessorSupplier<K, V, G, VOut>
export function leftJoinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<NonNullable<K>>, R>,
  joiner: (value: V, row: R | null, key: NonNullable<K>) => VOut,
  options: JoinedAfterGrace<V>,
): ProcessorSupplier<K, V, NonNullable<K>, VOut>
export function leftJoinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<K>, R>,
  joiner: (value: V, row: R | null, key: K) => VOut,
  options: KeptIn<K, VOut>,
): TableOperator<K, V, K, VOut>
export function leftJoinTable(name: string, other: AnyTable, joiner: AnyJoiner, options: AnyJoinOptions = {}): object {
  return joining({ name, operator: 'leftJoinTable', kind: 'left' }, { other, joiner, options })
}

/**
 * Joins two tables: a key that has a row on either side gives one, and the side that lacks it is null. Otherwise as `joinTable`.
 *
 * @example
 * stock.process(outerJoinTable('known', orders, (pieces, ordered) => ({ pieces: pieces ?? 0, ordered: ordered ?? 0 })))
 */
export function outerJoinTable<K, V, R, VOut>(
  name: string,
  other: Table<NoInfer<K>, R>,
  joiner: (value: V | null, row: R | null, key: K) => VOut,
  options: KeptIn<K, VOut> = {},
): TableOperator<K, V, K, VOut> {
  const operator = 'outerJoinTable'
  return joinRows<K, V, R, VOut>({ name, operator, kind: 'outer', other: other as Table<K, R>, joiner, ...options })
}

type AnyTable = Table<unknown, unknown>
type AnyJoiner = AnyRecordJoin['joiner']
type AnyJoinOptions = Pick<AnyRecordJoin, 'by' | 'input' | 'partitions' | 'graceMs' | 'storage'> &
  KeptIn<unknown, unknown>

/** The types of the operators say what the options go with: `by` and `graceMs` with a stream, `store` with a table. */
function joining(
  node: Pick<AnyRecordJoin, 'name' | 'operator' | 'kind'>,
  { options, ...sides }: Pick<AnyRecordJoin, 'other' | 'joiner'> & { readonly options: AnyJoinOptions },
): object {
  const { store, ...forRecords } = options
  const ofRows = joinRows({ ...node, ...sides, ...(store && { store }) })
  return store
    ? ofRows
    : {
        ...joinRecords({ ...node, ...sides, ...forRecords }),
        ...(!options.by && options.graceMs === undefined && ofRows),
      }
}
