import type { KeyValueStore, Timestamped } from '../../state/store.ts'
import type { Processor } from '../../topology/processor.ts'
import type { SendUpdate } from '../../topology/updates.ts'
import type { Fold } from './fold.ts'

/** One aggregate a key. Its time is the largest of all that went in; records without a key or value are dropped. */
export function aggregateByKey<K, V, A, R>(
  store: string,
  fold: Fold<K, V, A>,
  send: SendUpdate<K, A, R>,
): Processor<K | null, V, K, R> {
  return {
    process({ key, value, timestamp, headers }, context) {
      if (key === null) return context.drop('null_key')
      if (value === null) return context.drop('null_value')
      const aggregates = context.store<KeyValueStore<K, Timestamped<A>>>(store)
      const before = aggregates.get(key)
      const time = Math.max(before?.timestamp ?? timestamp, timestamp)
      const after = fold.add(before ? before.value : fold.create(), value, key)
      if (after === null) aggregates.delete(key)
      else aggregates.put(key, { value: after, timestamp: time })
      send({ key, value: after, before: before?.value ?? null, timestamp: time, recordMs: timestamp, headers }, context)
    },
  }
}
