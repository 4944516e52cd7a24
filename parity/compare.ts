import { isDeepStrictEqual } from 'node:util'
import type { StoreSpec } from '../src/state/store.ts'
import type { Played, PlayedStep } from './play.ts'
import type { RecordedEntry, RecordedOutput, RecordedStep, Recording } from './recording.ts'

/** What a step gives, in a form that can be compared. */
export interface Outcome {
  /** Rows of each topic: key, value, time, start and end of the window, headers. */
  readonly out: Readonly<Record<string, readonly unknown[]>>
  readonly dropped: number
  readonly failed: boolean
  readonly trace?: readonly unknown[]
}

/** A thing in which we differ from a recording. */
export type Difference = StepDifference | StoreDifference | NameDifference

interface StepDifference {
  readonly in: 'step'
  /** For people: the step and its input, the name of the store, or `internal topics`. */
  readonly at: string
  readonly step: number
  readonly recorded: Outcome
  readonly ours: Outcome
}

export interface StoreDifference {
  readonly in: 'store'
  readonly at: string
  readonly store: string
  /** Rows as JSON: key, value, time, start of the window. */
  readonly recorded: readonly string[]
  readonly ours: readonly string[]
}

interface NameDifference {
  readonly in: 'names'
  readonly at: string
  readonly recorded: readonly string[] | undefined
  readonly ours: readonly string[]
}

/** In the order of the steps, then of the stores, then of the names. */
export function differences(recording: Recording, played: Played): Difference[] {
  const inSteps = played.steps.flatMap((ours, index) => stepDifference(index, recording.steps[index] ?? {}, ours) ?? [])
  const inStores = played.stores ? storeDifferences(recording, played.stores, played.specs) : []
  return [...inSteps, ...inStores, ...nameDifferences(recording, played)]
}

/** Of internal topics, in the recordings that are about names, where these were given: what a counter makes there has no counterpart. */
function nameDifferences({ op, topology, internalTopics }: Recording, played: Played): Difference[] {
  if (op !== 'naming' || topology.words?.startsWith('auto-generated')) return []
  const recorded = internalTopics?.toSorted()
  const ours = played.internalTopics.toSorted()
  return isDeepStrictEqual(recorded, ours) ? [] : [{ in: 'names', at: 'internal topics', recorded, ours }]
}

function storeDifferences(
  recording: Recording,
  stores: NonNullable<Played['stores']>,
  specs: Played['specs'],
): Difference[] {
  if (recording.steps.some((step) => step.error)) return []
  return Object.entries(recording.stores ?? {}).flatMap(([name, entries]) => {
    const isCached = recording.topology.cache === 'on'
    const recorded = comparable(isCached ? withoutForgotten(entries, specs.get(name)) : entries)
    const keepsTime = entries.some(([, , ts]) => typeof ts === 'number')
    const ours = comparable((stores[name] ?? []).map((entry) => (keepsTime ? entry : withoutTime(entry))))
    return isDeepStrictEqual(recorded, ours) ? [] : { in: 'store', at: `store ${name}`, store: name, recorded, ours }
  })
}

function stepDifference(index: number, step: RecordedStep, played: PlayedStep): Difference | undefined {
  const recorded = recordedOutcome(step)
  const ours = playedOutcome(step, played)
  if (recorded.failed && ours.failed) return undefined
  if (isDeepStrictEqual(recorded, ours)) return undefined
  return { in: 'step', at: `step ${index} ${JSON.stringify(step.in ?? {})}`, step: index, recorded, ours }
}

export function recordedOutcome({ out = [], dropped = 0, error, trace }: RecordedStep): Outcome {
  return { out: byTopic(out), dropped, failed: error !== undefined, ...(trace && { trace }) }
}

/** With the trace only where the recording has one. */
export function playedOutcome({ trace }: RecordedStep, played: PlayedStep): Outcome {
  const { out, dropped, failed } = played
  return { out: byTopic(out), dropped, failed, ...(trace && { trace: played.trace }) }
}

/** In the order of each topic: between topics we promise none. */
function byTopic(outputs: readonly RecordedOutput[]): Outcome['out'] {
  const topics = [...Map.groupBy(outputs, ({ topic }) => topic)].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(
    topics.map(([topic, own]) => [
      topic,
      own.map(({ key, value, ts, window = [], headers = [] }) => [
        key,
        value,
        ts,
        ...window.map(withinTime),
        ...(headers.length > 0 ? [headers.map(comparableHeader)] : []),
      ]),
    ]),
  )
}

/** A window without an end has the largest number of its language as its end. */
function withinTime(ms: number): number {
  return Math.min(ms, Number.MAX_SAFE_INTEGER)
}

/** What an exception is called, and says, is another thing in another language. */
function comparableHeader([key, value]: readonly [string, string]): readonly string[] {
  return /^__streams\.errors\.(exception|message|stacktrace)$/.test(key) ? [key] : [key, value]
}

/**
 * A cache of the original still shows windows that the store behind it has forgotten, and that a restart does not bring back. Here the store
 * alone says what there is: see docs/design/0012-caching.md.
 */
function withoutForgotten(entries: readonly RecordedEntry[], spec: StoreSpec | undefined): readonly RecordedEntry[] {
  if (spec?.kind !== 'window' && spec?.kind !== 'session') return entries
  const timeOf = ([, , , window = [0, 0]]: RecordedEntry): number => window[spec.kind === 'window' ? 0 : 1]
  const latestMs = Math.max(...entries.map(timeOf))
  return entries.filter((entry) => timeOf(entry) > latestMs - spec.retentionMs)
}

/** A plain store there keeps no times where ours has them. */
function withoutTime([key, value, , window]: RecordedEntry): RecordedEntry {
  return window ? [key, value, null, window] : [key, value, null]
}

/** By key and start. Of windows only the starts are compared, because the stores keep no ends; sessions have both. */
function comparable(entries: readonly RecordedEntry[]): readonly string[] {
  // The persistent store of a join keeps no time, which is recorded as -1: it is that of the window.
  const timeOf = (ts: number | null | undefined, window: readonly number[] | undefined) =>
    ts === -1 ? window?.[0] : ts
  const rows = entries.map(([key, value, ts, window]) => [key, value, timeOf(ts, window) ?? null, window?.[0] ?? null])
  return rows.map((row) => JSON.stringify(row)).sort()
}
