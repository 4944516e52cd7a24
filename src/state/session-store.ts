import { sessionKey, splitSessionKey } from '../windowed.ts'
import { bytesOfText, keyText } from './key-text.ts'
import type { StoreLayers } from './key-value-store.ts'
import { refusedTime } from './refused-time.ts'
import type { SessionEntry, SessionStore, SessionStoreSpec } from './store.ts'
import type { IndexedWindow } from './window-index.ts'
import { type WindowLayout, WindowRows } from './window-rows.ts'

/** Rows lie by key, end and start. */
const layout: WindowLayout = { join: sessionKey, split: splitSessionKey, timeOf: ({ endMs }) => endMs }

/** The sessions of one store of one task. */
export class SessionEntries<K, V> extends WindowRows<V> {
  readonly #spec: SessionStoreSpec<K, V>

  constructor(spec: SessionStoreSpec<K, V>, layers: StoreLayers) {
    super(spec, layout, layers)
    this.#spec = spec
  }

  view(generation: () => number): SessionStore<K, V> {
    const { key: keySerde, name } = this.#spec
    const { index } = this
    const entryOf = (session: IndexedWindow): readonly SessionEntry<K, V>[] => {
      const { key, startMs, endMs } = session
      const held = this.readIndexed(session)
      if (!held) return []
      return [{ ...held, session: { key: keySerde.deserialize(bytesOfText(key)), window: { startMs, endMs } } }]
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
        if (this.isOver(window.endMs)) return false
        this.put(generation(), this.row(keySerde.serialize(key), window), value, timestamp)
        return true
      },
    }
  }
}
