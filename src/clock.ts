/** Cancels a timer. Cancelling twice, or after it fired, does nothing. */
export type Cancel = () => void

/**
 * The only source of time in `src`: tests turn it by hand.
 *
 * `now` is wall-clock time in milliseconds since the epoch, which somebody may set, also backwards; `after` runs `action` once, `delayMs`
 * from now, whatever the wall clock does meanwhile. A pending timer keeps the process alive: whoever sets one cancels it when it closes.
 */
export interface Clock {
  now(): number
  after(delayMs: number, action: () => void): Cancel
  /** Milliseconds with their fractions since some moment, which nobody can set. Where it is absent `now` stands in. */
  ticks?(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, Math.max(0, delayMs))
    return () => clearTimeout(timer)
  },
}

interface Alarm {
  at: number
  readonly sequence: number
  readonly action: () => void
}

/** A clock that moves only when told to. Alarms fire in order of their time, then of their creation. */
export class ManualClock implements Clock {
  #now: number
  #sequence = 0
  #alarms: Alarm[] = []

  constructor(startMs = 0) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, action: () => void): Cancel {
    const alarm: Alarm = { at: this.#now + Math.max(0, delayMs), sequence: this.#sequence++, action }
    this.#alarms.push(alarm)
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
    }
  }

  /** Moves time forward by `durationMs` and fires what falls due on the way, each at its own time. */
  advance(durationMs: number): void {
    const target = this.#now + durationMs
    for (let next = this.#nextDue(target); next; next = this.#nextDue(target)) {
      const due = next
      this.#now = Math.max(this.#now, due.at)
      this.#alarms = this.#alarms.filter((other) => other !== due)
      due.action()
    }
    this.#now = target
  }

  /** Sets the wall clock, backwards when `byMs` is negative. Nothing falls due by that: alarms keep their distance. */
  set(byMs: number): void {
    this.#now += byMs
    for (const alarm of this.#alarms) alarm.at += byMs
  }

  #nextDue(target: number): Alarm | undefined {
    return this.#alarms.filter((alarm) => alarm.at <= target).sort((a, b) => a.at - b.at || a.sequence - b.sequence)[0]
  }
}

/** Begins to measure. Each call gives the milliseconds since then, with fractions where the clock knows them. */
export function stopwatch(clock: Clock): () => number {
  const ticks = () => clock.ticks?.() ?? clock.now()
  const startedAt = ticks()
  return () => Math.max(0, ticks() - startedAt)
}

/** Resolves after `delayMs` on that clock; rejects with the signal's reason when it aborts first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
