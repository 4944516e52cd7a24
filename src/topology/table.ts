import { type StreamRecord, withValue } from '../record.ts'
import { msgpack, type Serde, string } from '../serde.ts'
import type { KeyValueStore, StateStore, StoreSpec, Timestamped } from '../state/store.ts'
import type { Processor, ProcessorContext, ProcessorSupplier } from './processor.ts'

/** What happened to a row: the value of the records between the steps of tables. */
export interface Change<V> {
  /** Null: the row is gone. */
  readonly newValue: V | null
  /** What it was before; null when there was none. Made when it is asked for: steps in between may have to map it. */
  readonly oldValue: () => V | null
}

/** How a node finds rows of a table, which need not be stored anywhere in the form that it gets them. */
export interface TableRows<K, V> {
  readonly key: Serde<K>
  /** After a restart a row may be missing that was there before, until it changes: steps that need old values cannot stand behind it. */
  readonly copied?: true
  /** What a node that calls `get` has to name in its own `stores`. */
  readonly stores: readonly string[]
  get(key: K, context: StoreAccess): Timestamped<V> | undefined
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

/** Where the rows of a table are kept that is read from a topic. */
export interface SourceTableStore<K, V> extends TableStore<K, V> {
  /** `source`: the topic itself serves as the changelog. Default `own`. */
  readonly changelog?: 'own' | 'source'
}

interface CopyOf {
  /** A topic that the rows can be restored from. */
  readonly copyOf?: string | undefined
}

export function tableStoreSpec<K, V>(name: string, store: TableStore<K, V> & CopyOf): StoreSpec {
  const { key = string as Serde<unknown>, value = msgpack<V>(), storage = 'level', copyOf } = store
  const spec = { kind: 'timestamped-key-value', name, key, value, storage } as StoreSpec
  return copyOf === undefined ? spec : ({ ...spec, changelog: false, copyOf } as StoreSpec)
}

/** Rows that are kept in a store of their own. */
export function storedRows<K, V>(name: string, key: Serde<K>): TableRows<K, V> {
  return { key, stores: [name], get: (row, context) => rowsIn<K, V>(name, context).get(row) }
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

/** As `putRow`. Gives what the row was. */
export function replaceRow<K, V>(rows: KeyValueStore<K, Timestamped<V>>, row: Row<K, V>): V | null {
  const before = rows.get(row.key)
  putRow(rows, row)
  return before ? before.value : null
}

/** The step that makes a table of a stream: keeps the latest value of each key, with its time, and sends what changed. */
export function materialize<K, V>(
  name: string,
  operator: string,
  store: TableStore<K, V> & CopyOf,
): ProcessorSupplier<K | null, V, K, Change<V>> {
  return {
    name,
    operator,
    stores: [tableStoreSpec(name, store)],
    create: () => ({
      process(record, context) {
        const { key, value } = record
        if (key === null) return context.drop('null_key')
        const before = replaceRow(rowsIn<K, V>(name, context), { ...record, key })
        context.forward({ ...record, key, value: { newValue: value, oldValue: () => before } })
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

/** Takes the new values out of the changes. */
export function newValues<K, V>(name: string): ProcessorSupplier<K, Change<V>, K, V> {
  return {
    name,
    operator: 'toStream',
    create: () => ({
      process: (record, context) => context.forward(withValue<K, V>(record, record.value?.newValue ?? null)),
    }),
  }
}
