import { bytes } from '../serde.ts'
import { splitWindowKey, windowKey } from '../windowed.ts'
import { bytesOfText, keyText } from './key-text.ts'
import { KeyValueEntries, type Place, type StoreLayers } from './key-value-store.ts'
import { refusedTime } from './refused-time.ts'
import type { ByteChange, WindowEntry, WindowStore, WindowStoreSpec } from './store.ts'
import { type Timestamped, timestamped, timestampOf } from './timestamped.ts'
import { type IndexedWindow, WindowIndex } from './window-index.ts'

/** The windows of one store of one task: rows `key, start, sequence` in the ordered bytes, and an index of them in memory. */
export class WindowEntries<K, V> {
  readonly #spec: WindowStoreSpec<K, V>
  readonly #rows: KeyValueEntries<Uint8Array, Timestamped<V>>
  readonly #index = new WindowIndex()

  constructor(spec: WindowStoreSpec<K, V>, layers: StoreLayers) {
    this.#spec = spec
    const { name, value } = spec
    this.#rows = new KeyValueEntries({ kind: 'key-value', name, key: bytes, value: timestamped(value) }, layers)
  }

  /** Rows that came from disk or from a changelog. */
  learn({ key, value }: ByteChange): void {
    const row = splitWindowKey(key)
    const window = indexed(row.key, row.startMs)
    if (value === null) this.#index.delete(window)
    else {
      this.#index.observe(window, timestampOf(value))
      this.#index.add(window)
    }
  }

  forget(): void {
    this.#index.clear()
  }

  view(generation: () => number): WindowStore<K, V> {
    const { key: keySerde, name, retentionMs } = this.#spec
    const rows = this.#rows
    const rowOf = this.#rowFinder()
    const index = this.#index
    const entryOf = ({ key, startMs }: IndexedWindow): readonly WindowEntry<V>[] => {
      const held = rows.read(rows.place(windowKey(bytesOfText(key), startMs)))
      return held ? [{ ...held, startMs }] : []
    }
    const pairs = function* (windows: Iterable<IndexedWindow>) {
      for (const window of windows) {
        for (const entry of entryOf(window)) yield [keySerde.deserialize(bytesOfText(window.key)), entry] as const
      }
    }
    const expire = (): void => {
      for (const window of index.before(index.latestMs - retentionMs)) {
        rows.delete(generation(), rows.place(windowKey(bytesOfText(window.key), window.startMs)))
        index.delete(window)
      }
    }
    const called = { store: name, call: 'put(key, startMs, value, timestamp)' }
    return {
      name,
      get observedMs() {
        return index.observedMs
      },
      fetch: (key, startMs) => rows.read(rowOf(key, startMs).place),
      fetchRange: (key, fromMs, toMs) => index.of(keyText(keySerde.serialize(key)), fromMs, toMs).flatMap(entryOf),
      all: () => pairs(index.all()),
      between: (fromMs, toMs) => pairs(index.between(fromMs, toMs)),
      put: (key, startMs, value, timestamp) => {
        if (!Number.isSafeInteger(startMs)) throw refusedTime(called, 'startMs', startMs)
        if (!Number.isSafeInteger(timestamp)) throw refusedTime(called, 'timestamp', timestamp)
        if (startMs <= index.latestMs - retentionMs) return false
        const { place, window } = rowOf(key, startMs)
        index.observe(window, timestamp)
        if (value === null) {
          rows.delete(generation(), place)
          index.delete(window)
        } else {
          rows.put(generation(), place, { value, timestamp })
          index.add(window)
        }
        expire()
        return true
      },
    }
  }

  /** A window is fetched, and put again: its bytes are made once. */
  #rowFinder(): (key: K, startMs: number) => Row<K> {
    const { key: serde } = this.#spec
    let recent: Row<K> | undefined
    return (key, startMs) => {
      if (recent && recent.key === key && recent.window.startMs === startMs) return recent
      const bytes = serde.serialize(key)
      const row = { key, place: this.#rows.place(windowKey(bytes, startMs)), window: indexed(bytes, startMs) }
      // The same object may be another key the next time.
      recent = typeof key === 'object' ? undefined : row
      return row
    }
  }
}

interface Row<K> {
  readonly key: K
  readonly place: Place
  readonly window: IndexedWindow
}

function indexed(key: Uint8Array, startMs: number): IndexedWindow {
  return { key: keyText(key), startMs, endMs: startMs, timeMs: startMs }
}
