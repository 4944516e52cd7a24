import type { SessionStore } from '../../state/store.ts'
import type { Processor } from '../../topology/processor.ts'
import type { Window, Windowed } from '../../windowed.ts'
import type { Fold } from './fold.ts'
import type { SessionWindows } from './windows.ts'

/**
 * One aggregate a key and session. A record joins the sessions that it touches: a tombstone goes out for each, then the joined one, whose
 * time is its end. Null values are aggregated too.
 */
export function aggregateBySession<K, V, A>(
  store: string,
  { gapMs, graceMs }: SessionWindows,
  fold: Fold<K, V, A>,
): Processor<K | null, V, Windowed<K>, A> {
  return {
    process({ key, value, timestamp, headers }, context) {
      if (key === null) return context.drop('null_key')
      const sessions = context.store<SessionStore<K, A>>(store)
      const closedMs = Math.max(sessions.observedMs, timestamp) - graceMs - gapMs
      const touched = sessions.findSessions(key, timestamp - gapMs, timestamp + gapMs)
      const alone: Window = { startMs: timestamp, endMs: timestamp }
      const window = touched.reduce((joined, { session }) => around(joined, session.window), alone)
      if (window.endMs < closedMs) return context.drop('late')
      for (const { session } of window.startMs === window.endMs ? [] : touched) {
        sessions.put(session, null, timestamp)
        context.forward({ key: session, value: null, timestamp: session.window.endMs, headers })
      }
      const merged = touched.reduce((sum, { value: held }) => fold.merge(sum, held, key), fold.create())
      const after = fold.add(merged, value, key)
      // It touches nothing that is still kept, but its own place is gone already: what goes out is the last that is heard of it.
      if (!sessions.put({ key, window }, after, timestamp)) context.drop('late')
      context.forward({ key: { key, window }, value: after, timestamp: window.endMs, headers })
    },
  }
}

function around(a: Window, b: Window): Window {
  return { startMs: Math.min(a.startMs, b.startMs), endMs: Math.max(a.endMs, b.endMs) }
}
