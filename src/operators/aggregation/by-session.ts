import type { StreamRecord } from '../../record.ts'
import type { SessionEntry, SessionStore } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { Window, Windowed } from '../../windowed.ts'
import type { WindowResults } from './emit.ts'
import type { Fold } from './fold.ts'
import type { SessionWindows } from './windows.ts'

interface SessionOptions<K, V, A> extends WindowResults<K, A> {
  readonly store: string
  readonly windows: SessionWindows
  readonly fold: Fold<K, V, A>
}

/**
 * One aggregate a key and session. A record joins the sessions that it touches: a tombstone goes out for each, then the joined one, whose
 * time is its end. Null values are aggregated too.
 */
export function aggregateBySession<K, V, A>(options: SessionOptions<K, V, A>): Processor<K | null, V, Windowed<K>, A> {
  return {
    process(record, context) {
      if (record.key === null) context.drop('null_key')
      else addToSession({ ...record, key: record.key }, context, options)
    },
  }
}

function addToSession<K, V, A>(
  { key, value, timestamp, headers }: StreamRecord<K, V>,
  context: ProcessorContext<Windowed<K>, A>,
  { store, windows, fold, emit, send }: SessionOptions<K, V, A>,
): void {
  const { gapMs, graceMs } = windows
  const sessions = context.store<SessionStore<K, A>>(store)
  const update = (session: Windowed<K>, value: A | null, before: A | null): void => {
    const { endMs } = session.window
    if (emit === 'update') send({ key: session, value, before, timestamp: endMs, headers }, context)
  }
  const closedBeforeMs = sessions.observedMs - gapMs - graceMs
  const closedMs = Math.max(sessions.observedMs, timestamp) - gapMs - graceMs
  if (emit === 'window-close') {
    for (const { session, value } of sessions.between(closedBeforeMs, closedMs - 1))
      context.forward({ key: session, value, timestamp: session.window.endMs, headers })
  }

  const touched = sessions.findSessions(key, timestamp - gapMs, timestamp + gapMs)
  const window = joined(timestamp, touched)
  if (window.endMs < closedMs) {
    context.drop('late')
    return
  }
  const isPoint = window.startMs === window.endMs
  for (const { session, value: before } of isPoint ? [] : touched) {
    sessions.put(session, null, timestamp)
    update(session, null, before)
  }
  const after = fold.add(mergedOf(touched, key, fold), value, key)
  // It touches nothing that is still kept, but its own place is gone already: what goes out is the last that is heard of it.
  if (!sessions.put({ key, window }, after, timestamp)) context.drop('late')
  update({ key, window }, after, isPoint ? (touched[0]?.value ?? null) : null)
}

/** The session that a record and what it touches become. */
function joined<K, A>(timestamp: number, touched: readonly SessionEntry<K, A>[]): Window {
  const alone: Window = { startMs: timestamp, endMs: timestamp }
  return touched.reduce((window, { session }) => around(window, session.window), alone)
}

function mergedOf<K, V, A>(touched: readonly SessionEntry<K, A>[], key: K, fold: Fold<K, V, A>): A | null {
  return touched.reduce((sum, { value }) => fold.merge(sum, value, key), fold.create())
}

function around(a: Window, b: Window): Window {
  return { startMs: Math.min(a.startMs, b.startMs), endMs: Math.max(a.endMs, b.endMs) }
}
