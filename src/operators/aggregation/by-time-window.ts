import type { WindowStore } from '../../state/store.ts'
import type { Processor } from '../../topology/processor.ts'
import type { Windowed } from '../../windowed.ts'
import type { Fold } from './fold.ts'
import type { TimeWindows } from './windows.ts'

/** One aggregate a key and window. Null values are aggregated too; what comes after the end and grace of a window is dropped, window by window. */
export function aggregateByTimeWindow<K, V, A>(
  store: string,
  windows: TimeWindows,
  fold: Fold<K, V, A>,
): Processor<K | null, V, Windowed<K>, A> {
  return {
    process({ key, value, timestamp, headers }, context) {
      if (key === null) return context.drop('null_key')
      const aggregates = context.store<WindowStore<K, A>>(store)
      const closedMs = Math.max(aggregates.observedMs, timestamp) - windows.graceMs
      for (const startMs of startsOf(windows, timestamp)) {
        const window = { startMs, endMs: startMs + windows.sizeMs }
        if (window.endMs <= closedMs) {
          context.drop('late')
          continue
        }
        const before = aggregates.fetch(key, startMs)
        const time = Math.max(before?.timestamp ?? timestamp, timestamp)
        const after = fold.add(before ? before.value : fold.create(), value, key)
        aggregates.put(key, startMs, after, time)
        context.forward({ key: { key, window }, value: after, timestamp: time, headers })
      }
    },
  }
}

/** Starts of the windows that hold a time, earliest first. None is negative. */
function* startsOf({ sizeMs, advanceMs }: TimeWindows, timestamp: number): Generator<number> {
  const first = Math.floor(Math.max(0, timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs
  for (let startMs = first; startMs <= timestamp; startMs += advanceMs) yield startMs
}
