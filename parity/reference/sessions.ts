import type { Outcome } from '../compare.ts'
import { fold31, merge41 } from '../functions.ts'
import { numberOf, type RecordedInput, type Recording } from '../recording.ts'

/** In which of its ways the original keeps sessions. */
export interface SessionOptions {
  /** What is too old for the store is not joined any more; a cache of the original still finds it. */
  readonly forgets: boolean
  /** What is too old for the store when it is written counts as dropped. */
  readonly countsForgotten: boolean
}

interface Session {
  readonly key: string
  readonly startMs: number
  readonly endMs: number
  readonly value: unknown
}

type Row = readonly [key: string, value: unknown, ts: number, startMs: number, endMs: number]

/** A naive aggregation by session. */
export class NaiveSessions {
  readonly #recording: Recording
  readonly #options: SessionOptions
  readonly #gapMs: number
  readonly #graceMs: number
  #sessions: Session[] = []
  /** Of the step and of its store. */
  #observedMs = -1
  #storedMs = -1

  constructor(recording: Recording, gapMs: number, options: SessionOptions) {
    this.#recording = recording
    this.#gapMs = gapMs
    this.#graceMs = numberOf(recording, 'graceMs')
    this.#options = options
  }

  /** Updates in their order, and what was dropped. */
  add({ key, value, ts }: RecordedInput): { readonly rows: readonly Row[]; readonly dropped: number } {
    if (key === null) return { rows: [], dropped: 1 }
    this.#observedMs = Math.max(this.#observedMs, ts)
    const touched = this.#touchedBy(key, ts)
    const startMs = Math.min(ts, ...touched.map((session) => session.startMs))
    const endMs = Math.max(ts, ...touched.map((session) => session.endMs))
    if (endMs < this.#observedMs - this.#gapMs - this.#graceMs) return { rows: [], dropped: 1 }
    this.#sessions = this.#sessions.filter((session) => !touched.includes(session))
    const session = { key, startMs, endMs, value: this.#valueOf(touched, value) }
    this.#storedMs = Math.max(this.#storedMs, endMs)
    const isKept = !this.#options.forgets || endMs > this.#storedMs - this.#retentionMs
    if (isKept && session.value !== null) this.#sessions.push(session)
    const gone = startMs === endMs ? [] : touched
    const tombstones = gone.map((old): Row => [key, null, old.endMs, old.startMs, old.endMs])
    const dropped = Number(!isKept && this.#options.countsForgotten)
    return { rows: [...tombstones, [key, session.value, endMs, startMs, endMs]], dropped }
  }

  /** Those that a record at that time closes, and that were open before it. */
  closedBy(ts: number): Row[] {
    const beforeMs = this.#observedMs - this.#retentionMs
    const nowMs = Math.max(this.#observedMs, ts) - this.#retentionMs
    return this.#sessions
      .filter(({ endMs }) => endMs >= beforeMs && endMs < nowMs)
      .map(({ key, value, startMs, endMs }) => [key, value, endMs, startMs, endMs])
  }

  /** What the store has of them in the end, as a comparison has it. */
  stored(): string[] {
    const latestMs = Math.max(...this.#sessions.map(({ endMs }) => endMs))
    return this.#sessions
      .filter(({ endMs }) => endMs > latestMs - this.#retentionMs)
      .map(({ key, value, startMs }) => JSON.stringify([key, value, null, startMs]))
      .sort()
  }

  get #retentionMs(): number {
    return this.#gapMs + this.#graceMs
  }

  #touchedBy(key: string, ts: number): Session[] {
    const forgottenMs = this.#options.forgets ? this.#storedMs - this.#retentionMs : Number.NEGATIVE_INFINITY
    return this.#sessions
      .filter((session) => session.key === key && session.endMs > forgottenMs)
      .filter(({ startMs, endMs }) => endMs >= ts - this.#gapMs && startMs <= ts + this.#gapMs)
      .sort((a, b) => a.endMs - b.endMs || a.startMs - b.startMs)
  }

  #valueOf(touched: readonly Session[], value: unknown): unknown {
    const { agg, words } = this.#recording.topology
    const values = touched.map((session) => session.value)
    if (agg === 'reduce') return [...values, value].reduce(fold31)
    const numbers = values.map(Number)
    if (agg === 'count' || words?.includes('count')) return numbers.reduce((sum, count) => sum + count, 1)
    return fold31(numbers.reduce(merge41, 7), value)
  }
}

/** What the store has after all steps: key, value, no time and start, as JSON. */
export function storedSessions(recording: Recording, options: SessionOptions): string[] {
  const sessions = new NaiveSessions(recording, numberOf(recording, 'gapMs'), options)
  for (const { in: input } of recording.steps) if (input) sessions.add(input)
  return sessions.stored()
}

/** What goes out at each step: at once, or with the last update of each session at a commit when the recording has caching on. */
export function sessionOutcomes(recording: Recording, options: SessionOptions): Outcome[] {
  const sessions = new NaiveSessions(recording, numberOf(recording, 'gapMs'), options)
  const { cache, commit } = recording.topology
  const cached = new CachedRows(numberOf(recording, 'gapMs') + numberOf(recording, 'graceMs'))
  return recording.steps.map((step) => {
    const { rows, dropped } = step.in ? sessions.add(step.in) : { rows: [], dropped: 0 }
    if (cache !== 'on') return outcome(rows, dropped)
    for (const row of rows) cached.write(row)
    return outcome(commit === 'everyRecord' || step.commit ? cached.flush() : [], dropped)
  })
}

class CachedRows {
  readonly #retentionMs: number
  readonly #rows = new Map<string, Row>()
  /** What the store behind the cache has. */
  readonly #stored = new Set<string>()
  #storedMs = -1

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
  }

  write(row: Row): void {
    const place = placeOf(row)
    this.#rows.delete(place)
    this.#rows.set(place, row)
  }

  /** In the order of the last writes, without tombstones for what the store does not have. */
  flush(): Row[] {
    const rows = [...this.#rows.values()].filter((row) => this.#store(row))
    this.#rows.clear()
    return rows
  }

  #store(row: Row): boolean {
    const [, value, , , endMs] = row
    const isStored = this.#stored.has(placeOf(row)) && endMs > this.#storedMs - this.#retentionMs
    if (value === null && !isStored) return false
    this.#storedMs = Math.max(this.#storedMs, endMs)
    if (value === null) this.#stored.delete(placeOf(row))
    else this.#stored.add(placeOf(row))
    return true
  }
}

function placeOf([key, , , startMs, endMs]: Row): string {
  return JSON.stringify([key, startMs, endMs])
}

function outcome(rows: readonly Row[], dropped: number): Outcome {
  return { out: rows.length > 0 ? { out: rows } : {}, dropped, failed: false }
}
