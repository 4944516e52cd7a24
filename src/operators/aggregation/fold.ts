import type { Serde } from '../../serde.ts'

/** How values become one. What `create` gives is never changed: `add` and `merge` return what comes next; null deletes. */
export interface Fold<K, V, A> {
  readonly value: Serde<A>
  readonly create: () => A | null
  readonly add: (aggregate: A | null, value: V | null, key: K) => A | null
  /** Joins two sessions, the earlier one first. */
  readonly merge: (aggregate: A | null, next: A, key: K) => A | null
}
