import { bytes } from '../serde.ts'
import type { Window } from '../windowed.ts'
import { bytesOfText, keyText } from './key-text.ts'
import { KeyValueEntries, type Place, type StoreLayers } from './key-value-store.ts'
import type { ByteChange, SessionStoreSpec, WindowStoreSpec } from './store.ts'
import { type Timestamped, timestamped, timestampOf } from './timestamped.ts'
import { type IndexedWindow, WindowIndex } from './window-index.ts'

/** How the windows of a kind of store lie in its bytes, and in time. */
export interface WindowLayout {
  /** The bytes of a row's key. */
  readonly join: (key: Uint8Array, window: Window) => Uint8Array
  /** What `join` has joined. */
  readonly split: (row: Uint8Array) => { readonly key: Uint8Array; readonly window: Window }
  /** Where a window stands in time for expiry. */
  readonly timeOf: (window: Window) => number
}

/** A window as it lies in the bytes and in the index. */
export interface WindowRow {
  readonly place: Place
  readonly window: IndexedWindow
}

/** The rows of one store of one task that has windows of some kind: in the ordered bytes, with an index of them in memory. */
export class WindowRows<V> {
  readonly index = new WindowIndex()
  readonly #layout: WindowLayout
  readonly #rows: KeyValueEntries<Uint8Array, Timestamped<V>>
  readonly #retentionMs: number

  constructor(
    { name, value, retentionMs }: WindowStoreSpec<unknown, V> | SessionStoreSpec<unknown, V>,
    layout: WindowLayout,
    layers: StoreLayers,
  ) {
    this.#layout = layout
    this.#rows = new KeyValueEntries({ kind: 'key-value', name, key: bytes, value: timestamped(value) }, layers)
    this.#retentionMs = retentionMs
  }

  /** A row that came from disk or from a changelog. */
  learn({ key: row, value }: ByteChange): void {
    const { key, window } = this.#layout.split(row)
    const indexed = this.#indexed(key, window)
    if (value === null) this.index.delete(indexed)
    else {
      this.index.observe(indexed, timestampOf(value))
      this.index.add(indexed)
    }
  }

  forget(): void {
    this.index.clear()
  }

  /** Made once for what is read and then written. */
  row(key: Uint8Array, window: Window): WindowRow {
    return { place: this.#rows.place(this.#layout.join(key, window)), window: this.#indexed(key, window) }
  }

  read(place: Place): Timestamped<V> | undefined {
    return this.#rows.read(place)
  }

  /** Of a window that the index has. */
  readIndexed(window: IndexedWindow): Timestamped<V> | undefined {
    return this.read(this.#placeOf(window))
  }

  /** Whether it is too late to put anything into a window that stands there in time. */
  isOver(timeMs: number): boolean {
    return timeMs <= this.index.latestMs - this.#retentionMs
  }

  /** Value null deletes. Then all windows are deleted that are over. */
  put(generation: number, { place, window }: WindowRow, value: V | null, timestamp: number): void {
    const { index } = this
    index.observe(window, timestamp)
    if (value === null) {
      this.#rows.delete(generation, place)
      index.delete(window)
    } else {
      this.#rows.put(generation, place, { value, timestamp })
      index.add(window)
    }
    for (const over of index.before(index.latestMs - this.#retentionMs)) {
      this.#rows.delete(generation, this.#placeOf(over))
      index.delete(over)
    }
  }

  #placeOf(window: IndexedWindow): Place {
    return this.#rows.place(this.#layout.join(bytesOfText(window.key), window))
  }

  #indexed(key: Uint8Array, window: Window): IndexedWindow {
    const { startMs, endMs } = window
    return { key: keyText(key), startMs, endMs, timeMs: this.#layout.timeOf(window) }
  }
}
