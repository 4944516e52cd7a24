import type { Headers } from '../../record.ts'
import { msgpack, type Serde, string } from '../../serde.ts'
import type { WindowStore, WindowStoreSpec } from '../../state/store.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import { sessionWindowed, type Windowed } from '../../windowed.ts'
import type { Windows } from './windows.ts'

export interface SuppressOptions<K, V> {
  /** The windows of the step before, with their grace. */
  readonly untilWindowCloses: Windows
  /** Serde of the key inside the window; default UTF-8 text, for keys that are strings. */
  readonly key?: Serde<K>
  /** Serde of the values that wait; default MessagePack, for plain data. */
  readonly value?: Serde<V>
  /** Default `level`. */
  readonly storage?: 'level' | 'memory'
}

/** A value that waits, and the headers of the record that brought it. */
interface Held<V> {
  readonly value: V
  readonly headers: Headers
}

/**
 * Holds each window back until nothing can change it any more, then sends its last value on: one result a window. Windows that became
 * nothing are left out. Time is that of what comes in here, so a window goes out with the first record late enough, of whatever key.
 *
 * @example
 * const perMinute = tumbling({ sizeMs: 60_000, graceMs: 10_000 })
 * views
 *   .process(count('views-per-minute', { window: perMinute }))
 *   .process(suppress('final', { untilWindowCloses: perMinute }))
 */
export function suppress<K, V>(
  name: string,
  options: SuppressOptions<K, V>,
): ProcessorSupplier<Windowed<K>, V, Windowed<K>, V> {
  const { untilWindowCloses: windows, storage = 'level' } = options
  const key = sessionWindowed(options.key ?? (string as Serde<unknown> as Serde<K>))
  const value = held(options.value ?? msgpack<V>())
  const openMs = windows.graceMs + (windows.kind === 'session' ? windows.gapMs : 0)
  // Rows stand at the ends of their windows: the order in which they go out.
  const spec: WindowStoreSpec<Windowed<K>, Held<V>> = {
    kind: 'window',
    name,
    key,
    value,
    storage,
    retentionMs: Number.POSITIVE_INFINITY,
  }
  return {
    name,
    operator: 'suppress',
    stores: [spec],
    create: () => ({
      process(record, context) {
        const waiting = context.store<WindowStore<Windowed<K>, Held<V>>>(name)
        const { key: windowed, timestamp, headers } = record
        const next = record.value === null ? null : { value: record.value, headers }
        waiting.put(windowed, windowed.window.endMs, next, timestamp)
        for (const [closed, entry] of waiting.between(0, waiting.observedMs - openMs)) {
          waiting.put(closed, entry.startMs, null, entry.timestamp)
          context.forward({ key: closed, timestamp: entry.timestamp, ...entry.value })
        }
      },
    }),
  }
}

function held<V>(value: Serde<V>): Serde<Held<V>> {
  const pair = msgpack<readonly [value: Uint8Array, headers: Headers]>()
  return {
    name: `held(${value.name})`,
    serialize: (entry) => pair.serialize([value.serialize(entry.value), entry.headers]),
    deserialize: (bytes) => {
      const [inner, headers] = pair.deserialize(bytes)
      return { value: value.deserialize(inner), headers }
    },
  }
}
