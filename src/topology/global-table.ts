import { StreamError } from '../errors.ts'
import { storable } from '../serde.ts'
import type { KeyValueStore, Timestamped } from '../state/store.ts'
import type { TopicSource } from './source.ts'
import { type StoreAccess, type TableStore, tableStoreSpec } from './table.ts'
import type { AnySource, GlobalTableSpec } from './topology.ts'

/**
 * A table that every instance has as a whole: all partitions of its topic. A handle only, which flows nowhere: steps look its rows up.
 *
 * A processor of your own does so when it names the table:
 *
 * @example
 * const countries = builder.globalTable('countries', kafka({ topic: 'countries', key: string, value: json(Country) }))
 * views.process({ ...step, globalTables: [countries.name], create: () => ({
 *   process: (record, context) => context.forward({ ...record, value: countries.get('ch', context)?.value ?? null }),
 * }) })
 */
export class GlobalTable<K, V> {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** The row of a key as this instance knows it now, with its time in milliseconds. Else as `Table.get`. */
  get(key: K, context: StoreAccess): Timestamped<V> | undefined {
    return context.store<Pick<KeyValueStore<K, Timestamped<V>>, 'name' | 'get'>>(this.name).get(key)
  }
}

/** Throws TOPOLOGY_INVALID for a source that chooses timestamps. */
export function globalTableSpec<K, V>(
  name: string,
  source: TopicSource<K, V>,
  store: TableStore<K, V>,
): GlobalTableSpec {
  if (source.timestamp) {
    const fact = `global table "${name}" has the times of its log, but its source chooses others`
    throw new StreamError('TOPOLOGY_INVALID', fact, { fix: 'Leave out `timestamp` of the source.' })
  }
  const { key = storable(source.key), value = storable(source.value) } = store
  const spec = { ...tableStoreSpec(name, { ...store, key, value }), changelog: false }
  return { name, source: source as AnySource, store: spec }
}
