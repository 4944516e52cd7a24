import type { Cancel } from '../clock.ts'
import type { Punctuator } from '../topology/processor.ts'
import type { RunningProcessor } from './running-nodes.ts'

interface Schedule {
  readonly node: RunningProcessor
  readonly everyMs: number
  readonly punctuate: Punctuator
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
 * the call; the grid stays anchored, missed ticks are skipped, and one check fires each schedule at most once. A wall clock that was
 * turned back anchors its grid anew.
 */
export class Punctuation {
  readonly #streamTime: Schedule[] = []
  readonly #wallClock: Schedule[] = []

  schedule(by: 'stream-time' | 'wall-clock', entry: Omit<Schedule, 'nextAt'>, now: number): Cancel {
    const schedules = by === 'stream-time' ? this.#streamTime : this.#wallClock
    const schedule: Schedule = { ...entry, nextAt: by === 'stream-time' ? 0 : now + entry.everyMs }
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

  dueByStreamTime(streamTime: number): DuePunctuation[] {
    return due(this.#streamTime, streamTime)
  }

  dueByWallClock(now: number): DuePunctuation[] {
    // A clock that was turned back would put the next tick off by as much: a grid begins anew.
    for (const schedule of this.#wallClock) schedule.nextAt = Math.min(schedule.nextAt, now + schedule.everyMs)
    return due(this.#wallClock, now)
  }
}

function due(schedules: readonly Schedule[], timeMs: number): DuePunctuation[] {
  return schedules.flatMap((schedule) => {
    if (timeMs < schedule.nextAt) return []
    const ticks = Math.floor((timeMs - schedule.nextAt) / schedule.everyMs) + 1
    schedule.nextAt += ticks * schedule.everyMs
    return [{ node: schedule.node, punctuate: schedule.punctuate, timeMs }]
  })
}
