import type { Cancel } from '../../clock.ts'
import type { PunctuationTime, Punctuator } from '../../topology/processor.ts'
import type { RunningProcessor } from './running-nodes.ts'

/** What a node asks for. Times in milliseconds. */
export interface PunctuationRequest {
  readonly node: RunningProcessor
  readonly everyMs: number
  readonly punctuate: Punctuator
  /** A point of the grid, before which nothing fires. */
  readonly startMs?: number | undefined
}

interface Schedule extends PunctuationRequest {
  /** The next time on the grid. */
  nextAt: number
}

/** A punctuator that fell due. */
export interface DuePunctuation {
  readonly node: RunningProcessor
  readonly punctuate: Punctuator
  readonly timeMs: number
}

/**
 * The punctuators of one task, as Kafka Streams runs them: the stream-time grid starts at 0, the wall-clock grid one interval after
 * the call, unless they are told a start; the grid stays anchored, missed ticks are skipped, and one check fires each schedule at most
 * once, the one that waits longest first. A wall clock that was turned back anchors its grid anew.
 */
export class Punctuation {
  readonly #streamTime: Schedule[] = []
  readonly #wallClock: Schedule[] = []

  schedule(by: PunctuationTime, request: PunctuationRequest, now: number): Cancel {
    const schedules = by === 'stream-time' ? this.#streamTime : this.#wallClock
    const nextAt = by === 'stream-time' ? (request.startMs ?? 0) : nextOnClock(request, now)
    const schedule: Schedule = { ...request, nextAt }
    schedules.push(schedule)
    return () => {
      const index = schedules.indexOf(schedule)
      if (index >= 0) schedules.splice(index, 1)
    }
  }

  /** When the wall clock has to be looked at next; undefined without a schedule. */
  get nextWallClock(): number | undefined {
    return this.#wallClock.length > 0 ? Math.min(...this.#wallClock.map((schedule) => schedule.nextAt)) : undefined
  }

  /** Found one by one: what the punctuators cancel meanwhile does not fire. What they schedule waits for the next check. */
  dueByStreamTime(streamTime: number): Iterable<DuePunctuation> {
    return this.#streamTime.length > 0 ? due(this.#streamTime, streamTime) : []
  }

  /** As by stream time. */
  dueByWallClock(now: number): Iterable<DuePunctuation> {
    // A clock that was turned back would put the next tick off by as much: a grid begins anew.
    for (const schedule of this.#wallClock) schedule.nextAt = Math.min(schedule.nextAt, nextOnClock(schedule, now))
    return due(this.#wallClock, now)
  }
}

function* due(schedules: readonly Schedule[], timeMs: number): Generator<DuePunctuation> {
  const waiting = schedules.filter(({ nextAt }) => nextAt <= timeMs).sort((a, b) => a.nextAt - b.nextAt)
  for (const schedule of waiting) {
    if (!schedules.includes(schedule)) continue
    const ticks = Math.floor((timeMs - schedule.nextAt) / schedule.everyMs) + 1
    schedule.nextAt += ticks * schedule.everyMs
    yield { node: schedule.node, punctuate: schedule.punctuate, timeMs }
  }
}

/** The first point of the grid after `now`; the start itself while that is to come. */
function nextOnClock({ startMs, everyMs }: PunctuationRequest, now: number): number {
  if (startMs === undefined) return now + everyMs
  return startMs > now ? startMs : startMs + (Math.floor((now - startMs) / everyMs) + 1) * everyMs
}
