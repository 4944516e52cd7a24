import type { Outcome } from '../compare.ts'
import { kindOf, numberOf, type RecordedInput, type Recording } from '../recording.ts'

/** What the original does with the records that a join of streams keeps. */
export interface JoinOptions {
  readonly storage: 'inMemory' | 'rocksDB'
  /** How often records without a match are looked for, by wall clock. */
  readonly throttleMs: number
}

type Side = 'left' | 'right'
interface Kept {
  readonly key: string
  readonly value: unknown
  readonly ts: number
}
interface Waiting extends Kept {
  readonly side: Side
}

/** Interval of the segments of RocksDB, whatever the retention: that of joins in the recordings is far below it. */
const segmentMs = 60_000

/** What the original gives for each step: a naive `KStreamKStreamJoin`, with either of its stores. */
export function streamJoinOutcomes(recording: Recording, options: JoinOptions): Outcome[] {
  const join = new NaiveJoin(recording, options)
  let wallClockMs = recording.initialWallClockMs
  return recording.steps.map(({ in: input, advanceWallClockMs = 0 }) => {
    wallClockMs += advanceWallClockMs
    return input ? join.step(input, wallClockMs) : { out: {}, dropped: 0, failed: false }
  })
}

class NaiveJoin {
  readonly #recording: Recording
  readonly #kind: 'inner' | 'left' | 'outer'
  readonly #options: JoinOptions
  readonly #stores: Readonly<Record<Side, NaiveJoinStore>>
  readonly #aheadMs: Readonly<Record<Side, number>>
  readonly #graceMs: number
  #waiting: Waiting[] = []
  #streamTime = -1
  #minMs = Number.POSITIVE_INFINITY
  #nextLookMs = 0
  #rows: unknown[] = []
  #dropped = 0

  constructor(recording: Recording, options: JoinOptions) {
    const [beforeMs, afterMs] = [numberOf(recording, 'beforeMs'), numberOf(recording, 'afterMs')]
    this.#recording = recording
    this.#options = options
    this.#kind = kindOf(recording)
    this.#graceMs = numberOf(recording, 'graceMs')
    this.#aheadMs = { left: afterMs, right: beforeMs }
    const retentionMs = Math.max(1, beforeMs + afterMs + this.#graceMs)
    const store = () => new NaiveJoinStore(retentionMs, options.storage)
    this.#stores = { left: store(), right: store() }
  }

  step(input: RecordedInput, wallClockMs: number): Outcome {
    this.#rows = []
    this.#dropped = 0
    const { op, topology } = this.#recording
    const passes = topology.filtered !== true || (input.value !== null && String(input.value).length % 2 === 0)
    const sides: Side[] =
      op === 'streamStreamSelfJoin' ? ['left', 'right'] : [input.topic === 'left' ? 'left' : 'right']
    if (passes) for (const side of sides) this.#process(side, input, wallClockMs)
    return { out: this.#rows.length > 0 ? { out: this.#rows } : {}, dropped: this.#dropped, failed: false }
  }

  #process(side: Side, { key, value, ts }: RecordedInput, wallClockMs: number): void {
    this.#streamTime = Math.max(this.#streamTime, ts)
    if (key === null) {
      if (value !== null && this.#standsAlone(side)) this.#send(null, { [side]: value }, ts)
      else this.#dropped++
      return
    }
    if (!this.#stores[side].put({ key, value, ts })) this.#dropped++
    if (value === null) {
      this.#dropped++
      return
    }
    if (ts === this.#streamTime) this.#sendExpired(side, wallClockMs)
    this.#match(side, { key, value, ts })
  }

  #match(side: Side, { key, value, ts }: Kept): void {
    const other = side === 'left' ? 'right' : 'left'
    const toMs = ts + this.#aheadMs[side]
    const found = this.#stores[other].find(key, ts - this.#aheadMs[other], toMs)
    for (const match of found) {
      this.#waiting = this.#waiting.filter(
        (waiting) => !(waiting.side === other && waiting.key === key && waiting.ts === match.ts),
      )
      this.#send(key, { [side]: value, [other]: match.value }, Math.max(ts, match.ts))
    }
    if (found.length > 0 || !this.#standsAlone(side)) return
    if (toMs < this.#streamTime) this.#send(key, { [side]: value }, ts)
    else {
      this.#waiting.push({ side, key, value, ts })
      this.#minMs = Math.min(this.#minMs, ts)
    }
  }

  #sendExpired(side: Side, wallClockMs: number): void {
    const aheadMs = this.#aheadMs[side] + this.#graceMs
    // There the largest number and anything more is less than nothing: an empty store is looked into.
    const isOpen = this.#minMs === Number.POSITIVE_INFINITY ? aheadMs === 0 : this.#minMs + aheadMs >= this.#streamTime
    if (this.#kind === 'inner' || isOpen || wallClockMs < this.#nextLookMs) return
    this.#nextLookMs = wallClockMs + this.#options.throttleMs
    this.#minMs = Number.POSITIVE_INFINITY
    const open = new Set<Side>()
    for (const waiting of this.#waiting.toSorted(inOrder)) {
      this.#minMs = waiting.ts
      if (open.size === 2) break
      if (waiting.ts + this.#aheadMs[waiting.side] + this.#graceMs >= this.#streamTime) open.add(waiting.side)
      else {
        this.#send(waiting.key, { [waiting.side]: waiting.value }, waiting.ts)
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      }
    }
  }

  #send(key: string | null, { left = null, right = null }: Partial<Record<Side, unknown>>, ts: number): void {
    this.#rows.push([key, `${left}|${right}`, ts])
  }

  #standsAlone(side: Side): boolean {
    return this.#kind === 'outer' || (this.#kind === 'left' && side === 'left')
  }
}

class NaiveJoinStore {
  readonly #retentionMs: number
  readonly #storage: JoinOptions['storage']
  readonly #records: Kept[] = []
  #observedMs = -1

  constructor(retentionMs: number, storage: JoinOptions['storage']) {
    this.#retentionMs = retentionMs
    this.#storage = storage
  }

  /** False when the store counts the record as too late. */
  put(record: Kept): boolean {
    if (this.#storage === 'rocksDB' && record.value === null) return true
    this.#observedMs = Math.max(this.#observedMs, record.ts)
    const forgottenMs = this.#observedMs - this.#retentionMs
    const isLate =
      this.#storage === 'inMemory'
        ? record.ts <= forgottenMs
        : Math.floor(record.ts / segmentMs) < Math.floor(forgottenMs / segmentMs)
    if (!isLate && record.value !== null) this.#records.push(record)
    return !isLate
  }

  find(key: string, fromMs: number, toMs: number): Kept[] {
    return this.#records
      .filter(({ key: own, ts }) => own === key && ts >= fromMs && ts <= toMs)
      .filter(({ ts }) => ts > this.#observedMs - this.#retentionMs)
      .sort((a, b) => a.ts - b.ts)
  }
}

function inOrder(a: Waiting, b: Waiting): number {
  if (a.ts !== b.ts) return a.ts - b.ts
  if (a.side !== b.side) return a.side === 'right' ? -1 : 1
  return a.key < b.key ? -1 : Number(a.key > b.key)
}
