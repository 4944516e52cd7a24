import type {
  KeysInMemory,
  KeyValueStoreSpec,
  SessionStoreSpec,
  TimestampedKeyValueStoreSpec,
  VersionedStoreSpec,
  WindowStoreSpec,
} from './store.ts'

type Options<Spec> = Omit<Spec, 'kind' | 'name' | 'copyOf'>

/**
 * Declares a store of values by key, for the `stores` of a processor of your own. `context.store` opens it, with its types.
 *
 * With `keysInMemory: true` it can be walked, in the order of the serialized keys, before the gate too: see `ScannableStore`.
 *
 * @example
 * const lastSeen = keyValueStore('last-seen', { key: string, value: json(z.number()) })
 * const step = { name: 'step', operator: 'step', stores: [lastSeen], create: () => ({
 *   process: (record, context) => context.store(lastSeen).put(record.key, record.timestamp),
 * }) }
 */
export function keyValueStore<K, V>(
  name: string,
  options: Options<KeyValueStoreSpec<K, V>> & KeysInMemory,
): KeyValueStoreSpec<K, V> & KeysInMemory
export function keyValueStore<K, V>(name: string, options: Options<KeyValueStoreSpec<K, V>>): KeyValueStoreSpec<K, V>
export function keyValueStore<K, V>(name: string, options: Options<KeyValueStoreSpec<K, V>>): KeyValueStoreSpec<K, V> {
  return { ...options, kind: 'key-value', name }
}

/**
 * As `keyValueStore`, for values that have a time: `{ value, timestamp }`. With `ttlMs` a value is gone so long after its timestamp, in the
 * stream time of the task; its keys are in memory then.
 *
 * @example
 * const sessions = timestampedKeyValueStore('sessions', { key: string, value: json(Session), ttlMs: 86_400_000 })
 */
export function timestampedKeyValueStore<K, V>(
  name: string,
  options: Options<TimestampedKeyValueStoreSpec<K, V>> & KeysInMemory,
): TimestampedKeyValueStoreSpec<K, V> & KeysInMemory
export function timestampedKeyValueStore<K, V>(
  name: string,
  options: Options<TimestampedKeyValueStoreSpec<K, V>>,
): TimestampedKeyValueStoreSpec<K, V>
export function timestampedKeyValueStore<K, V>(
  name: string,
  options: Options<TimestampedKeyValueStoreSpec<K, V>>,
): TimestampedKeyValueStoreSpec<K, V> {
  return { ...options, kind: 'timestamped-key-value', name }
}

/**
 * As `keyValueStore`, for values under a key and the start of a window.
 *
 * @example
 * const seen = windowStore('seen', { key: string, value: string, retentionMs: 600_000 })
 */
export function windowStore<K, V>(name: string, options: Options<WindowStoreSpec<K, V>>): WindowStoreSpec<K, V> {
  return { ...options, kind: 'window', name }
}

/**
 * As `keyValueStore`, for values under a key and the bounds of a session.
 *
 * @example
 * const visits = sessionStore('visits', { key: string, value: json(Visit), retentionMs: 3_600_000 })
 */
export function sessionStore<K, V>(name: string, options: Options<SessionStoreSpec<K, V>>): SessionStoreSpec<K, V> {
  return { ...options, kind: 'session', name }
}

/**
 * As `keyValueStore`, for values that are kept with the time in which they held: `get` finds what held at any time within `historyMs`.
 *
 * @example
 * const prices = versionedStore('prices', { key: string, value: json(Price), historyMs: 86_400_000 })
 */
export function versionedStore<K, V>(
  name: string,
  options: Options<VersionedStoreSpec<K, V>>,
): VersionedStoreSpec<K, V> {
  return { ...options, kind: 'versioned', name }
}
