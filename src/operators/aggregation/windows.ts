import { StreamError } from '../../errors.ts'

/** Windows of one size. Each starts at a multiple of `advanceMs`, from 0 on, and holds `startMs <= timestamp < startMs + sizeMs`. */
export interface TimeWindows {
  readonly kind: 'time'
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
}

/** For each record the windows that end at it and that start after it: every set of records within `differenceMs` has one. */
export interface SlidingWindows {
  readonly kind: 'sliding'
  readonly differenceMs: number
  readonly graceMs: number
}

/** Records of a key that lie at most `gapMs` apart. */
export interface SessionWindows {
  readonly kind: 'session'
  readonly gapMs: number
  readonly graceMs: number
}

/** One window from `startMs` on, which never closes. Its end is the last time there is. */
export interface UnlimitedWindows {
  readonly kind: 'unlimited'
  readonly startMs: number
  readonly sizeMs: number
  readonly graceMs: 0
}

/** Windows that nothing changes any more at some time. */
export type ClosingWindows = TimeWindows | SlidingWindows | SessionWindows
export type Windows = ClosingWindows | UnlimitedWindows

/**
 * How long a window takes late records after its end, in stream time of the step that it belongs to; default 0. Later ones are dropped and
 * counted.
 */
interface Grace {
  readonly graceMs?: number
}

/**
 * Windows side by side: each record is in one. Kafka Streams: `TimeWindows.ofSizeAndGrace`. Throws CONFIG_INVALID for a size below 1 ms and for
 * a negative grace.
 *
 * @example
 * views.process(count('views-per-minute', { window: tumbling({ sizeMs: 60_000, graceMs: 5_000 }) }))
 */
export function tumbling({ sizeMs, graceMs = 0 }: Grace & { readonly sizeMs: number }): TimeWindows {
  return hopping({ sizeMs, advanceMs: sizeMs, graceMs })
}

/**
 * Windows that overlap: each record is in up to `sizeMs / advanceMs`. Kafka Streams: `TimeWindows.ofSizeAndGrace(...).advanceBy`. Throws as
 * `tumbling`, and for an advance beyond the size.
 *
 * @example
 * views.process(count('views-per-hour', { window: hopping({ sizeMs: 3_600_000, advanceMs: 60_000 }) }))
 */
export function hopping(options: Grace & { readonly sizeMs: number; readonly advanceMs: number }): TimeWindows {
  const { sizeMs, advanceMs, graceMs = 0 } = options
  require(sizeMs >= 1, `a window of ${sizeMs} ms holds nothing`, 'Give a size of at least 1 ms.')
  require(advanceMs >= 1 &&
    advanceMs <=
      sizeMs, `windows of ${sizeMs} ms that advance by ${advanceMs} ms leave records out`, 'Give an advance from 1 ms to the size.')
  return whole({ kind: 'time', sizeMs, advanceMs, graceMs: graceOf(graceMs) })
}

/**
 * Windows that move with the records. Kafka Streams: `SlidingWindows.ofTimeDifferenceAndGrace`. Both ends belong to a window. Throws
 * CONFIG_INVALID for a negative difference or grace.
 *
 * @example
 * logins.process(count('attempts', { window: sliding({ differenceMs: 10_000 }) }))
 */
export function sliding({ differenceMs, graceMs = 0 }: Grace & { readonly differenceMs: number }): SlidingWindows {
  require(differenceMs >= 0, `a time difference of ${differenceMs} ms is negative`, 'Give 0 or more.')
  return whole({ kind: 'sliding', differenceMs, graceMs: graceOf(graceMs) })
}

/**
 * Windows of activity that end with a pause of more than `gapMs`. Kafka Streams: `SessionWindows.ofInactivityGapAndGrace`. Throws CONFIG_INVALID
 * for a gap below 1 ms and for a negative grace.
 *
 * @example
 * views.process(count('views-per-visit', { window: session({ gapMs: 1_800_000 }) }))
 */
export function session({ gapMs, graceMs = 0 }: Grace & { readonly gapMs: number }): SessionWindows {
  require(gapMs >= 1, `sessions with a gap of ${gapMs} ms never grow`, 'Give a gap of at least 1 ms.')
  return whole({ kind: 'session', gapMs, graceMs: graceOf(graceMs) })
}

/**
 * One window from `startMs` on, default 0, that ends with `Number.MAX_SAFE_INTEGER`; earlier records are in none, and not counted. Kafka
 * Streams: `UnlimitedWindows.of().startOn`. Throws CONFIG_INVALID for a start that is negative or no whole number.
 *
 * @example
 * views.process(count('views-of-2026', { window: unlimited({ startMs: Date.UTC(2026, 0, 1) }) }))
 */
export function unlimited({ startMs = 0 }: { readonly startMs?: number } = {}): UnlimitedWindows {
  require(Number.isSafeInteger(startMs) && startMs >= 0, `a window cannot start at ${startMs}`, 'Give 0 or more.')
  return { kind: 'unlimited', startMs, sizeMs: Number.MAX_SAFE_INTEGER - startMs, graceMs: 0 }
}

/** What makes a record belong to one window and not to another: late records are let in or not without changing that. */
export function describeWindows(windows: Windows): string {
  if (windows.kind === 'session') return `sessions with gaps of up to ${windows.gapMs} ms`
  if (windows.kind === 'sliding') return `sliding, ${windows.differenceMs} ms`
  if (windows.kind === 'unlimited') return `one from ${windows.startMs} ms on`
  return `${windows.sizeMs} ms, one every ${windows.advanceMs} ms`
}

function graceOf(graceMs: number): number {
  require(graceMs >= 0, `a grace of ${graceMs} ms is negative`, 'Give 0 or more.')
  return graceMs
}

/** Bounds of windows become keys of stores, which have whole milliseconds. */
function whole<W extends object>(windows: W): W {
  for (const [name, ms] of Object.entries(windows))
    require(typeof ms !== 'number' ||
      Number.isSafeInteger(ms), `${name} of a window is ${ms}`, 'Give whole milliseconds.')
  return windows
}

function require(holds: boolean, fact: string, fix: string): void {
  if (!holds) throw new StreamError('CONFIG_INVALID', fact, { fix })
}
