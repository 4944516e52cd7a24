import { StreamError } from '../errors.ts'
import { type StreamRecord, withValue } from '../record.ts'
import { requireAtLeast } from '../require-at-least.ts'
import { msgpack, type Serde, textKeys } from '../serde.ts'
import type { KeyValueStore, StateStore, StoreSpec, Timestamped, VersionedStore } from '../state/store.ts'
import type { Processor, ProcessorContext, ProcessorSupplier } from './processor.ts'
import { type Caching, sendUpdates, type Update } from './updates.ts'

/** What happened to a row: the value of the records between the steps of tables. */
export interface Change<V> {
  /** Null: the row is gone. */
  readonly newValue: V | null
  /** What it was before; null when there was none. Made when it is asked for: steps in between may have to map it. */
  readonly oldValue: () => V | null
  /** Only behind versioned tables: the row has a later version already, which is what `oldValue` gives. */
  readonly outOfOrder?: true
}

/** How a node finds rows of a table, which need not be stored anywhere in the form that it gets them. */
export interface TableRows<K, V> {
  readonly key: Serde<K>
  /** As a store has them; absent where none does. */
  readonly value?: Serde<V> | undefined
  /** After a restart a row may be missing that was there before, until it changes: steps that need old values cannot stand behind it. */
  readonly copied?: true
  /** What a node that calls `get` has to name in its own `stores`. */
  readonly stores: readonly string[]
  get(key: K, context: StoreAccess): Timestamped<V> | undefined
  /** Absent where only the latest rows are known. */
  readonly history?: RowHistory<K, V>
}

/** How a node finds rows of a versioned table as they were. */
export interface RowHistory<K, V> {
  /** How far back, from the largest timestamp of the table. */
  readonly historyMs: number
  getAsOf(key: K, asOfMs: number, context: StoreAccess): Timestamped<V> | undefined
}

/** The part of a ProcessorContext that look-ups need. */
export interface StoreAccess {
  store<S extends StateStore>(name: string): S
}

/** Where the rows of a table are kept. */
export interface TableStore<K, V> {
  /** Serde of the key in the store; default that of the topic or table before, for a stream UTF-8 text. */
  readonly key?: Serde<K>
  /** Serde of the values in the store; default that of the topic before, else MessagePack, for plain data. */
  readonly value?: Serde<V>
  /** Default `level`. */
  readonly storage?: 'level' | 'memory'
}

/** How far back the rows of a table are known. */
export interface TableHistory {
  /**
   * Makes the table a versioned one: its rows are known as they were at any time so long before the largest timestamp in it. What comes out
   * of order goes to its place in the history; what is older is dropped and counted. Default: the row that came last is the only one.
   */
  readonly historyMs?: number
}

/** Where the rows of a table are kept that is read from a topic. */
export interface SourceTableStore<K, V> extends TableStore<K, V>, TableHistory, Caching {
  /** `source`: the topic itself serves as the changelog. Default `own`. */
  readonly changelog?: 'own' | 'source'
}

interface CopyOf {
  /** A topic that the rows can be restored from. */
  readonly copyOf?: string | undefined
}

type AnyTableStore<K, V> = TableStore<K, V> & TableHistory & Caching

/** Throws CONFIG_INVALID for options that do not go together. */
export function tableStoreSpec<K, V>(name: string, store: AnyTableStore<K, V> & CopyOf): StoreSpec {
  const { key = textKeys<K>(), value = msgpack<V>(), storage = 'level', copyOf, historyMs } = store
  if (historyMs !== undefined) requireAtLeast(0, `historyMs of table "${name}"`, historyMs)
  if (store.caching && (copyOf !== undefined || historyMs !== undefined)) {
    const why = copyOf === undefined ? 'sends changes out of order' : 'may forget in a restart what it has sent'
    const fact = `table "${name}" ${why}, so its updates cannot wait for later ones`
    throw new StreamError('CONFIG_INVALID', fact, { fix: 'Leave out `caching`.' })
  }
  const base = { name, key, value, storage }
  const spec = (
    historyMs === undefined ? { kind: 'timestamped-key-value', ...base } : { kind: 'versioned', ...base, historyMs }
  ) as StoreSpec
  return copyOf === undefined ? spec : ({ ...spec, changelog: false, copyOf } as StoreSpec)
}

/** Rows that are kept in a store of their own. */
export function storedRows<K, V>(
  name: string,
  key: Serde<K>,
  { historyMs, value }: TableHistory & Pick<TableStore<K, V>, 'value'> = {},
): TableRows<K, V> {
  const rows = { key, value, stores: [name] }
  if (historyMs === undefined) return { ...rows, get: (row, context) => rowsIn<K, V>(name, context).get(row) }
  return {
    ...rows,
    get: (row, context) => versionsIn<K, V>(name, context).get(row),
    history: { historyMs, getAsOf: (row, asOfMs, context) => versionsIn<K, V>(name, context).get(row, asOfMs) },
  }
}

function versionsIn<K, V>(name: string, context: StoreAccess): VersionedStore<K, V> {
  return context.store(name)
}

export function rowsIn<K, V>(name: string, context: StoreAccess): KeyValueStore<K, Timestamped<V>> {
  return context.store(name)
}

type Row<K, V> = Pick<StreamRecord<K, V>, 'key' | 'value' | 'timestamp'>

/** Stores what a row is now; null: it is gone. */
export function putRow<K, V>(rows: KeyValueStore<K, Timestamped<V>>, { key, value, timestamp }: Row<K, V>): void {
  if (value === null) rows.delete(key)
  else rows.put(key, { value, timestamp })
}

/** What `changeRow` needs of a context. */
type RowContext = StoreAccess & Pick<ProcessorContext<never, never>, 'drop'>

/** Stores what a row is now. Undefined: it is older than the history of the table, is not stored, and counts as dropped. */
export function changeRow<K, V>(
  name: string,
  { historyMs }: TableHistory,
  row: Row<K, V>,
  context: RowContext,
): Change<V> | undefined {
  if (historyMs !== undefined) return changeVersion(versionsIn<K, V>(name, context), row, context)
  const rows = rowsIn<K, V>(name, context)
  const before = rows.get(row.key)
  putRow(rows, row)
  return { newValue: row.value, oldValue: () => before?.value ?? null }
}

function changeVersion<K, V>(
  versions: VersionedStore<K, V>,
  { key, value, timestamp }: Row<K, V>,
  context: RowContext,
): Change<V> | undefined {
  const before = versions.get(key)
  const put = versions.put(key, value, timestamp)
  if (put === 'expired') {
    context.drop('late')
    return undefined
  }
  return {
    newValue: value,
    oldValue: () => before?.value ?? null,
    ...(put === 'replaced' && { outOfOrder: true }),
  }
}

export function changeBetween<V>(newValue: V | null, oldValue: V | null): Change<V> {
  return { newValue, oldValue: () => oldValue }
}

/**
 * In the recovery window an index may have what was made of rows that the tables have lost with their generation, and that are gone from the log
 * since: a deletion goes on there though nothing is known of what it deletes.
 */
export function mayBeForgotten(
  context: Pick<ProcessorContext<never, never>, 'recovering' | 'maintainsIndex'>,
): boolean {
  return context.recovering && context.maintainsIndex
}

type ChangedRecord<K> = Omit<Update<K, unknown>, 'value' | 'before'>

/** How a step sends on the changes of the rows that it keeps: as the store says, at once or the last of each row. */
export function sendChanges<K, V>({ key, value, caching }: TableStore<K, V> & Caching) {
  const serdes = { key: key ?? textKeys<K>(), value: value ?? msgpack<V>() }
  const send = caching ? sendUpdates<K, V, Change<V>>(changeBetween, serdes) : undefined
  return (record: ChangedRecord<K>, change: Change<V>, context: ProcessorContext<K, Change<V>>): void => {
    if (send) send({ ...record, value: change.newValue, before: change.oldValue() }, context)
    else context.forward({ key: record.key, value: change, timestamp: record.timestamp, headers: record.headers })
  }
}

/** The step that makes a table of a stream: keeps the latest value of each key, with its time, and sends what changed. */
export function materialize<K, V>(
  name: string,
  operator: string,
  store: AnyTableStore<K, V> & CopyOf,
): ProcessorSupplier<K | null, V, K, Change<V>> {
  const send = sendChanges<K, V>(store)
  return {
    name,
    operator,
    caching: store.caching,
    stores: [tableStoreSpec(name, store)],
    create: () => ({
      process(record, context) {
        const { key } = record
        if (key === null) return context.drop('null_key')
        const change = changeRow<K, V>(name, store, { ...record, key }, context)
        if (change) send({ ...record, key }, change, context)
      },
    }),
  }
}

/** A step behind a table. `react` is given each change, with the record that it came as. */
export function onChange<K, V, KOut, VOut>(
  react: (change: Change<V>, record: StreamRecord<K, unknown>, context: ProcessorContext<KOut, Change<VOut>>) => void,
): Processor<K, Change<V>, KOut, Change<VOut>> {
  return {
    process(record, context) {
      if (record.value !== null) react(record.value, record, context)
    },
  }
}

/** As `onChange`, for a step that knows the latest rows only: a change that is out of order is dropped and counted. */
export function onLatestChange<K, V, KOut, VOut>(
  react: (change: Change<V>, record: StreamRecord<K, unknown>, context: ProcessorContext<KOut, Change<VOut>>) => void,
): Processor<K, Change<V>, KOut, Change<VOut>> {
  return onChange((change, record, context) => {
    if (change.outOfOrder) context.drop('late')
    else react(change, record, context)
  })
}

/** Takes the new values out of the changes. An index has the latest rows: there a change out of order is dropped and counted. */
export function newValues<K, V>(name: string): ProcessorSupplier<K, Change<V>, K, V> {
  return {
    name,
    operator: 'toStream',
    create: () => ({
      process(record, context) {
        const { value: change } = record
        if (change?.outOfOrder && context.maintainsIndex) context.drop('late')
        else context.forward(withValue<K, V>(record, change?.newValue ?? null))
      },
    }),
  }
}
