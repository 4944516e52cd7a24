import { textKeys } from '../../serde.ts'
import type { TableMaker } from '../../topology/stream.ts'
import { materialize, storedRows, type TableHistory, type TableStore } from '../../topology/table.ts'
import type { Caching } from '../../topology/updates.ts'

/**
 * Reads a stream as a changelog: the latest value of every key, in the store `name`. Null values are tombstones; records without a key
 * are dropped and counted. With `historyMs` it is a versioned table: see `TopologyBuilder.table`.
 *
 * @example
 * const users = updates.toTable(latest('users', { value: json(User) }))
 */
export function latest<K, V>(
  name: string,
  store: TableStore<K, V> & TableHistory & Caching = {},
): TableMaker<K | null, V, K, V> {
  const key = store.key ?? textKeys<K>()
  return {
    onStream: (stream) => stream.derive(materialize<K, V>(name, 'latest', store), storedRows(name, key, store)),
  }
}
