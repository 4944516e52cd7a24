import type { Headers } from '../record.ts'
import type { Serde } from '../serde.ts'
import type { ProcessorContext } from './processor.ts'

/** What a step has put into its store under a key. */
export interface Update<K, V> {
  readonly key: K
  /** Null: it is gone. */
  readonly value: V | null
  /** What was there before; null: nothing. */
  readonly before: V | null
  readonly timestamp: number
  /** The time of the record that did it, which a deletion has that was held back. Default: `timestamp`. */
  readonly recordMs?: number
  readonly headers: Headers
}

/** What goes out for a value and the one that it replaced: the value itself, or the change of a row. */
export type ResultOf<V, R> = (value: V | null, before: V | null) => R | null

export type SendUpdate<K, V, R> = (update: Update<K, V>, context: ProcessorContext<K, R>) => void

/** By their bytes updates are told apart and weighed while they wait. */
export interface UpdateSerdes<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** For the options of a step that sends updates. */
export interface Caching {
  /**
   * Of the updates of a key only the last goes on, when the generation is cut (`commitIntervalMs`), or before when the instance holds more than
   * `cacheMaxBytes`. Look-ups see every update at once. Default false: every update goes on.
   */
  readonly caching?: boolean
}

/**
 * How a step sends on what it stored: at once, or with `cached` the last update of each key when the generation is cut. What goes out then
 * says what was there when an update last went out; a deletion of what nobody was told of does not go out. See docs/design/0012-caching.md.
 */
export function sendUpdates<K, V, R>(
  resultOf: ResultOf<V, R>,
  cached: UpdateSerdes<K, V> | undefined,
): SendUpdate<K, V, R> {
  if (!cached) {
    return ({ key, value, before, timestamp, headers }, context) =>
      context.forward({ key, value: resultOf(value, before), timestamp, headers })
  }
  const sizeOf = (value: V | null): number => (value === null ? 0 : cached.value.serialize(value).length)
  return ({ key, value, before, timestamp, recordMs = timestamp, headers }, context) => {
    const id = cached.key.serialize(key)
    context.hold({
      id,
      // The value before is kept as well. It is taken to be as large.
      bytes: id.length + 2 * sizeOf(value ?? before),
      before,
      since: (known, recovering) => {
        if (value === null && known === null && !recovering) return undefined
        const result = resultOf(value, known as V | null)
        return { key, value: result, timestamp: value === null ? recordMs : timestamp, headers }
      },
    })
  }
}
