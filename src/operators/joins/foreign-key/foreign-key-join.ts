import { hash } from 'node:crypto'
import { msgpack, type Serde } from '../../../serde.ts'
import type { StoreSpec } from '../../../state/store.ts'
import type { Table } from '../../../topology/stream.ts'
import type { TableStore } from '../../../topology/table.ts'
import type { Caching } from '../../../topology/updates.ts'
import { references, subscribed } from './messages.ts'

/** A join of two tables, in which rows of the left one name those of the right one. */
export interface ForeignKeyJoin<K, L, F, R, VOut> {
  readonly name: string
  readonly operator: string
  readonly kind: 'inner' | 'left'
  readonly left: Table<K, L>
  readonly right: Table<F, R>
  readonly joiner: (left: L, right: R | null, key: K) => VOut
  readonly by: (value: L, key: K) => F | null
  /** Of the left values, to tell them apart. */
  readonly leftValue: Serde<L>
  /** Of the right values on their way. */
  readonly rightValue: Serde<R>
  readonly store: TableStore<K, VOut> & Caching & { readonly key: Serde<K> }
}

/** Where it is remembered who refers to which row, in the task of that row. */
export function subscriptionStore<K, L, F, R, VOut>({ name, store }: ForeignKeyJoin<K, L, F, R, VOut>): StoreSpec {
  const { storage = 'level' } = store
  return {
    kind: 'key-value',
    name: `${name}-subscription-store`,
    key: references,
    value: subscribed,
    storage,
  } as StoreSpec
}

export function registrationTopic(name: string): string {
  return `${name}-subscription-registration-topic`
}

export function responseTopic(name: string): string {
  return `${name}-subscription-response-topic`
}

const hashBytes = 16

/** Tells values of a left row apart; null for none. */
export function hashOf<L>(value: L | null, serde: Serde<L>): Uint8Array | null {
  return value === null ? null : hash('sha256', serde.serialize(value), 'buffer').subarray(0, hashBytes)
}

/** Of a table whose values no store has: plain data. */
export function valueSerde<V>({ rows }: Table<unknown, V>): Serde<V> {
  return rows.value ?? msgpack<V>()
}
