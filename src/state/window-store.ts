import { splitWindowKey, windowKey } from '../windowed.ts'
import { bytesOfText, keyText } from './key-text.ts'
import type { StoreLayers } from './key-value-store.ts'
import { refusedTime } from './refused-time.ts'
import type { WindowEntry, WindowStore, WindowStoreSpec } from './store.ts'
import type { IndexedWindow } from './window-index.ts'
import { type WindowLayout, type WindowRow, WindowRows } from './window-rows.ts'

/** Rows lie by key, start and sequence. Where a window ends the store does not know. */
const layout: WindowLayout = {
  join: (key, { startMs }) => windowKey(key, startMs),
  split: (row) => {
    const { key, startMs } = splitWindowKey(row)
    return { key, window: windowAt(startMs) }
  },
  timeOf: ({ startMs }) => startMs,
}

/** The windows of one store of one task. */
export class WindowEntries<K, V> extends WindowRows<V> {
  readonly #spec: WindowStoreSpec<K, V>

  constructor(spec: WindowStoreSpec<K, V>, layers: StoreLayers) {
    super(spec, layout, layers)
    this.#spec = spec
  }

  view(generation: () => number): WindowStore<K, V> {
    const { key: keySerde, name } = this.#spec
    const { index } = this
    const rowOf = this.#rowFinder()
    const entryOf = (window: IndexedWindow): readonly WindowEntry<V>[] => {
      const held = this.readIndexed(window)
      return held ? [{ ...held, startMs: window.startMs }] : []
    }
    const pairs = function* (windows: Iterable<IndexedWindow>) {
      for (const window of windows) {
        for (const entry of entryOf(window)) yield [keySerde.deserialize(bytesOfText(window.key)), entry] as const
      }
    }
    const called = { store: name, call: 'put(key, startMs, value, timestamp)' }
    return {
      name,
      get observedMs() {
        return index.observedMs
      },
      fetch: (key, startMs) => this.read(rowOf(key, startMs).place),
      fetchRange: (key, fromMs, toMs) => index.of(keyText(keySerde.serialize(key)), fromMs, toMs).flatMap(entryOf),
      all: () => pairs(index.all()),
      between: (fromMs, toMs) => pairs(index.between(fromMs, toMs)),
      put: (key, startMs, value, timestamp) => {
        if (!Number.isSafeInteger(startMs)) throw refusedTime(called, 'startMs', startMs)
        if (!Number.isSafeInteger(timestamp)) throw refusedTime(called, 'timestamp', timestamp)
        if (this.isOver(startMs)) return false
        this.put(generation(), rowOf(key, startMs), value, timestamp)
        return true
      },
    }
  }

  /** A window is fetched, and put again: its bytes are made once. */
  #rowFinder(): (key: K, startMs: number) => WindowRow {
    const { key: serde } = this.#spec
    let recent: { readonly key: K; readonly row: WindowRow } | undefined
    return (key, startMs) => {
      if (recent && recent.key === key && recent.row.window.startMs === startMs) return recent.row
      const row = this.row(serde.serialize(key), windowAt(startMs))
      // The same object may be another key the next time.
      recent = typeof key === 'object' ? undefined : { key, row }
      return row
    }
  }
}

function windowAt(startMs: number) {
  return { startMs, endMs: startMs }
}
