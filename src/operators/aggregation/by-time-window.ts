import type { StreamRecord } from '../../record.ts'
import type { WindowStore } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { Window, Windowed } from '../../windowed.ts'
import { forwardClosed, type WindowResults } from './emit.ts'
import type { Fold } from './fold.ts'
import type { TimeWindows, UnlimitedWindows } from './windows.ts'

/** One aggregate a key and window. Null values are aggregated too; what comes after the end and grace of a window is dropped, window by window. */
export function aggregateByTimeWindow<K, V, A>(
  store: string,
  windows: TimeWindows | UnlimitedWindows,
  fold: Fold<K, V, A>,
  { emit, send }: WindowResults<K, A>,
): Processor<K | null, V, Windowed<K>, A> {
  const addTo = (
    window: Window,
    { key, value, timestamp, headers }: StreamRecord<K, V>,
    context: Context<K, A>,
  ): void => {
    const aggregates = context.store<WindowStore<K, A>>(store)
    const before = aggregates.fetch(key, window.startMs)
    const time = Math.max(before?.timestamp ?? timestamp, timestamp)
    const after = fold.add(before ? before.value : fold.create(), value, key)
    aggregates.put(key, window.startMs, after, time)
    if (emit === 'window-close') return
    const values = { value: after, before: before?.value ?? null }
    send({ key: { key, window }, ...values, timestamp: time, recordMs: timestamp, headers }, context)
  }
  return {
    process(record, context) {
      const { key, timestamp, headers } = record
      if (key === null) return context.drop('null_key')
      const aggregates = context.store<WindowStore<K, A>>(store)
      const closedBeforeMs = aggregates.observedMs - windows.graceMs
      const closedMs = Math.max(aggregates.observedMs, timestamp) - windows.graceMs
      if (emit === 'window-close') {
        const closed = aggregates.between(closedBeforeMs - windows.sizeMs + 1, closedMs - windows.sizeMs)
        forwardClosed(closed, windows.sizeMs, { context, headers })
      }
      for (const startMs of startsOf(windows, timestamp)) {
        const window = { startMs, endMs: startMs + windows.sizeMs }
        if (window.endMs <= closedMs) context.drop('late')
        else addTo(window, { ...record, key }, context)
      }
    },
  }
}

type Context<K, A> = ProcessorContext<Windowed<K>, A>

/** Starts of the windows that hold a time, earliest first. None is negative. */
function* startsOf(windows: TimeWindows | UnlimitedWindows, timestamp: number): Generator<number> {
  if (windows.kind === 'unlimited') {
    if (windows.startMs <= timestamp) yield windows.startMs
    return
  }
  const { sizeMs, advanceMs } = windows
  const first = Math.floor(Math.max(0, timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs
  for (let startMs = first; startMs <= timestamp; startMs += advanceMs) yield startMs
}
