import { fold31, isEven, num } from '../functions.ts'
import { numberOf, type RecordedInput, type Recording } from '../recording.ts'
import { NaiveSessions } from './sessions.ts'

/** Key, value, time, start and end of a window. */
export type ClosedRow = readonly [key: string, value: unknown, ts: number, startMs: number, endMs: number]

/**
 * For each step a function that says whether a row is what the definition of its window gives: the fold of all records of its key that
 * came into it while it was open, and that the record of this step closes it.
 */
export function closedWindows(recording: Recording): ((row: ClosedRow) => boolean)[] {
  const { window, kind } = recording.topology
  if (window === 'session' || kind === 'session') return closedSessions(recording)
  const inputs = recording.steps.map((step) => acceptedInput(recording, step.in))
  return inputs.map((input, step) => (row) => {
    if (!input || !isWindow(recording, row, inputs.slice(0, step))) return false
    const before = inputs.slice(0, step).filter((one) => one !== undefined)
    const [closes, wasClosed] = [[...before, input], before].map((some) =>
      isClosed(recording, row[4], observedMs(some)),
    )
    return closes === true && wasClosed === false && isFoldOf(recording, before, row)
  })
}

function closedSessions(recording: Recording): ((row: ClosedRow) => boolean)[] {
  const gapMs = numberOf(recording, 'sizeMs')
  const sessions = new NaiveSessions(recording, gapMs, { forgets: true, countsForgotten: true })
  return recording.steps.map((step) => {
    const input = acceptedInput(recording, step.in)
    if (!input) return () => false
    const closed = new Set(sessions.closedBy(input.ts).map((row) => JSON.stringify(row)))
    sessions.add(input)
    return (row) => closed.has(JSON.stringify(row))
  })
}

/** What gets to the aggregate; undefined for what does not. */
function acceptedInput({ op, topology }: Recording, input: RecordedInput | undefined): RecordedInput | undefined {
  if (!input || input.key === null) return undefined
  if (op === 'streamTimePerOperator' && !isEven(input.value)) return undefined
  return topology.window === 'sliding' && input.value === null ? undefined : input
}

function isFoldOf(recording: Recording, inputs: readonly RecordedInput[], row: ClosedRow): boolean {
  const [key, value, ts, startMs, endMs] = row
  const isSliding = recording.topology.window === 'sliding'
  const own = inputs.filter((input, index) => {
    const isIn = input.key === key && input.ts >= startMs && (isSliding ? input.ts <= endMs : input.ts < endMs)
    return isIn && !isClosed(recording, endMs, observedMs(inputs.slice(0, index + 1)))
  })
  if (own.length === 0 || Math.max(...own.map((input) => input.ts)) !== ts) return false
  const isCount = recording.op === 'streamTimePerOperator' || recording.topology.words?.includes('count')
  return value === (isCount ? own.length : own.reduce((sum, input) => fold31(sum, input.value), 7))
}

/** There is such a window at all. */
function isWindow(recording: Recording, row: ClosedRow, inputs: readonly (RecordedInput | undefined)[]): boolean {
  const [, , , startMs, endMs] = row
  const { window, advanceMs } = recording.topology
  const sizeMs = numberOf(recording, 'sizeMs')
  if (startMs < 0 || endMs !== startMs + sizeMs) return false
  if (window !== 'sliding') return startMs % (window === 'hopping' ? num(advanceMs) : sizeMs) === 0
  return startMs === 0 || inputs.some((input) => input?.ts === endMs || input?.ts === startMs - 1)
}

function isClosed(recording: Recording, endMs: number, streamTime: number): boolean {
  const closedMs = streamTime - numberOf(recording, 'graceMs')
  return recording.topology.window === 'sliding' ? endMs < closedMs : endMs <= closedMs
}

function observedMs(inputs: readonly RecordedInput[]): number {
  return Math.max(-1, ...inputs.map(({ ts }) => ts))
}
