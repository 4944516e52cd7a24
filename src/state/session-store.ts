import { bytes } from '../serde.ts'
import { sessionKey, splitSessionKey, type Window } from '../windowed.ts'
import { bytesOfText, keyText } from './key-text.ts'
import { KeyValueEntries, type StoreLayers } from './key-value-store.ts'
import { refusedTime } from './refused-time.ts'
import type { ByteChange, SessionEntry, SessionStore, SessionStoreSpec } from './store.ts'
import { type Timestamped, timestamped, timestampOf } from './timestamped.ts'
import { type IndexedWindow, WindowIndex } from './window-index.ts'

/** The sessions of one store of one task: rows `key, end, start` in the ordered bytes, and an index of them in memory. */
export class SessionEntries<K, V> {
  readonly #spec: SessionStoreSpec<K, V>
  readonly #rows: KeyValueEntries<Uint8Array, Timestamped<V>>
  readonly #index = new WindowIndex()

  constructor(spec: SessionStoreSpec<K, V>, layers: StoreLayers) {
    this.#spec = spec
    const { name, value } = spec
    this.#rows = new KeyValueEntries({ kind: 'key-value', name, key: bytes, value: timestamped(value) }, layers)
  }

  /** A row that came from disk or from a changelog. */
  learn({ key, value }: ByteChange): void {
    const row = splitSessionKey(key)
    const session = indexed(row.key, row.window)
    if (value === null) this.#index.delete(session)
    else {
      this.#index.observe(session, timestampOf(value))
      this.#index.add(session)
    }
  }

  forget(): void {
    this.#index.clear()
  }

  view(generation: () => number): SessionStore<K, V> {
    const { key: keySerde, name, retentionMs } = this.#spec
    const rows = this.#rows.view(generation)
    const index = this.#index
    const entryOf = ({ key, startMs, endMs }: IndexedWindow): readonly SessionEntry<K, V>[] => {
      const keyBytes = bytesOfText(key)
      const window = { startMs, endMs }
      const held = rows.get(sessionKey(keyBytes, window))
      return held ? [{ ...held, session: { key: keySerde.deserialize(keyBytes), window } }] : []
    }
    const expire = (): void => {
      for (const session of index.before(index.latestMs - retentionMs)) {
        rows.delete(sessionKey(bytesOfText(session.key), session))
        index.delete(session)
      }
    }
    const called = { store: name, call: 'put(session, value, timestamp)' }
    return {
      name,
      get observedMs() {
        return index.observedMs
      },
      findSessions: (key, earliestEndMs, latestStartMs) =>
        index
          .of(keyText(keySerde.serialize(key)), earliestEndMs, Number.POSITIVE_INFINITY)
          .filter(({ startMs }) => startMs <= latestStartMs)
          .flatMap(entryOf),
      all: function* () {
        for (const session of index.all()) yield* entryOf(session)
      },
      between: function* (fromMs, toMs) {
        for (const session of index.between(fromMs, toMs)) yield* entryOf(session)
      },
      put: ({ key, window }, value, timestamp) => {
        if (!Number.isSafeInteger(window.startMs)) throw refusedTime(called, 'window.startMs', window.startMs)
        if (!Number.isSafeInteger(window.endMs)) throw refusedTime(called, 'window.endMs', window.endMs)
        if (!Number.isSafeInteger(timestamp)) throw refusedTime(called, 'timestamp', timestamp)
        if (window.endMs <= index.latestMs - retentionMs) return false
        const keyBytes = keySerde.serialize(key)
        const row = sessionKey(keyBytes, window)
        const session = indexed(keyBytes, window)
        index.observe(session, timestamp)
        if (value === null) {
          rows.delete(row)
          index.delete(session)
        } else {
          rows.put(row, { value, timestamp })
          index.add(session)
        }
        expire()
        return true
      },
    }
  }
}

function indexed(key: Uint8Array, { startMs, endMs }: Window): IndexedWindow {
  return { key: keyText(key), startMs, endMs, timeMs: endMs }
}
