import { isDeepStrictEqual } from 'node:util'
import { type Difference, type Outcome, playedOutcome, recordedOutcome, type StoreDifference } from './compare.ts'
import type { Played } from './play.ts'
import { numberOf, type Recording } from './recording.ts'
import { type ClosedRow, closedWindows } from './reference/closed-windows.ts'
import { type SessionOptions, sessionOutcomes, storedSessions } from './reference/sessions.ts'
import { streamJoinOutcomes } from './reference/stream-join.ts'

/** A recording, what we gave, and where the two differ. */
export interface Compared {
  readonly recording: Recording
  readonly played: Played
  readonly differences: readonly Difference[]
}

/** Why we differ on purpose; each has a row in docs/kafka-streams-users.md. */
export interface Rule {
  readonly words: string
  /** The differences that are just what the rule argues. Anything that it does not foresee stays a failure. */
  readonly explained: (compared: Compared) => readonly Difference[]
}

export const rules = {
  tombstones: {
    words:
      'tombstones pass filter, mapValues and flatMapValues as they are: what was deleted stays deleted behind them, in an index too',
    explained: ({ recording, differences }) =>
      differences.filter((difference) => isPassedTombstone(recording, difference)),
  },
  nothingLost: {
    words:
      'the result of a window that closes is never lost: the original forgets windows before it looks which of them have closed',
    explained: (compared) => (throttleOf(compared.recording) === 0 ? closedAtOnce(compared) : []),
  },
  notThrottled: {
    words:
      'what has closed or expired is looked for with every record that moves the time, not once a second: the same input gives the same output',
    explained: (compared) => {
      const throttleMs = throttleOf(compared.recording)
      if (throttleMs === 0) return []
      return compared.recording.op === 'emitOnWindowClose'
        ? closedAtOnce(compared)
        : joinedAsDefined(compared, throttleMs)
    },
  },
  oneRetention: {
    words: 'both kinds of storage forget a window at the same time, that of the memory store of the original',
    explained: (compared) => {
      if (compared.recording.topology.storeType !== 'rocksDB') return []
      const stores = compared.differences.filter((difference) => difference.in === 'store')
      const steps = throttleOf(compared.recording) === 0 ? joinedAsDefined(compared, 0) : []
      return [...steps, ...stores.filter((store) => isForgotten(compared.recording, store))]
    },
  },
  oneStore: {
    words:
      'a session that is too old for its store is counted as dropped in both kinds of storage, as in the memory store of the original',
    explained: (compared) => {
      const { cache, storeType } = compared.recording.topology
      if (cache === 'on' || storeType !== 'rocksDB') return []
      return sessionsAsDefined(compared, { forgets: true, countsForgotten: false })
    },
  },
  sameWithCache: {
    words:
      'a session that its store has forgotten is not joined any more, with and without caching: the cache of the original still finds it',
    explained: (compared) =>
      compared.recording.topology.cache === 'on'
        ? sessionsAsDefined(compared, { forgets: false, countsForgotten: false })
        : [],
  },
  droppedRecord: {
    words:
      'a record without a key is dropped by a left join with grace as by an inner one: in the original it ends the task',
    explained: ({ recording, differences }) =>
      differences.filter((difference) => isDroppedWithoutKey(recording, difference)),
  },
} as const satisfies Record<string, Rule>

/** The rules that together explain every difference; undefined when one is left. */
export function rulesFor(compared: Compared): readonly Rule[] | undefined {
  const left = new Set(compared.differences)
  const applied = Object.values(rules).filter((rule) => {
    const explained = rule.explained(compared).filter((difference) => left.has(difference))
    for (const difference of explained) left.delete(difference)
    return explained.length > 0
  })
  return left.size === 0 ? applied : undefined
}

/** What their functions make of null there. */
const madeOfNull: Readonly<Record<string, (topic: string) => readonly unknown[]>> = {
  filter: () => [],
  mapValues: () => ['nil'],
  flatMapValues: () => [null, 'x'],
  merge: (topic) => [`${topic.toUpperCase()}null`],
}

function isPassedTombstone({ op, steps }: Recording, difference: Difference): boolean {
  const made = madeOfNull[op]
  if (difference.in !== 'step' || !made) return false
  const input = steps[difference.step]?.in
  if (input?.value !== null) return false
  const rows = (values: readonly unknown[]) => values.map((value) => [input.key, value, input.ts])
  const values = made(input.topic)
  const recorded = { out: values.length > 0 ? { out: rows(values) } : {}, dropped: 0, failed: false }
  const ours = { out: { out: rows([null]) }, dropped: 0, failed: false }
  return isDeepStrictEqual(difference.recorded, recorded) && isDeepStrictEqual(difference.ours, ours)
}

function isDroppedWithoutKey({ op, topology, steps }: Recording, difference: Difference): boolean {
  if (op !== 'streamTableJoinVersioned' || topology.join !== 'left' || topology.graceMs === null) return false
  if (difference.in !== 'step' || !difference.recorded.failed) return false
  const input = steps[difference.step]?.in
  const dropped = { out: {}, dropped: 1, failed: false }
  return input?.topic === 'left' && input.key === null && isDeepStrictEqual(difference.ours, dropped)
}

/**
 * Every row of ours is what the definition of its window gives, comes out once, at the step that closes it, and what was recorded comes in
 * the same order there, at once or, with the throttle, later.
 */
function closedAtOnce({ recording, played, differences }: Compared): Difference[] {
  const { op, topology } = recording
  if (op !== 'emitOnWindowClose' && !(op === 'streamTimePerOperator' && topology.kind === 'emitFinal')) return []
  const rowsOf = ({ out }: Outcome): readonly unknown[] => out.out ?? []
  const ours = played.steps.map((step, index) => rowsOf(playedOutcome(recording.steps[index] ?? {}, step)))
  const isRight = closedWindows(recording)
  if (!ours.every((rows, step) => rows.every((row) => isRight[step]?.(row as ClosedRow)))) return []
  const all = ours.flat().map((row) => JSON.stringify(row))
  if (new Set(all).size !== all.length) return []
  const recorded = recording.steps.map((step) => rowsOf(recordedOutcome(step)))
  const isThrottled = throttleOf(recording) > 0
  const kept = recorded.every((rows, step) =>
    isThrottled ? inOrderIn(rows, ours.slice(0, step + 1).flat()) : inOrderIn(rows, ours[step] ?? []),
  )
  if (!kept || !inOrderIn(recorded.flat(), ours.flat())) return []
  return differences.filter(
    (difference) =>
      difference.in === 'step' && isDeepStrictEqual(besides(difference.recorded), besides(difference.ours)),
  )
}

/** All but the results of the windows. */
function besides({ out: { out: _, ...topics }, ...rest }: Outcome): unknown {
  return { ...rest, topics }
}

/** All steps are what the definition of the join gives with a store in memory, and as recorded with the store of the recording. */
function joinedAsDefined({ recording, played, differences }: Compared, throttleMs: number): Difference[] {
  if (recording.op !== 'streamStreamJoin' && recording.op !== 'streamStreamSelfJoin') return []
  const original = streamJoinOutcomes(recording, { storage: recording.topology.storeType, throttleMs })
  const ours = streamJoinOutcomes(recording, { storage: 'inMemory', throttleMs: 0 })
  return areAll(recording, played, { original, ours }) ? differences.filter(({ in: where }) => where === 'step') : []
}

/** All steps are what the definition gives when the store alone says what there is, and as recorded when it is as in the original. */
function sessionsAsDefined({ recording, played, differences }: Compared, options: SessionOptions): Difference[] {
  if (recording.op !== 'sessionWindow') return []
  const own = { forgets: true, countsForgotten: true }
  const [original, ours] = [sessionOutcomes(recording, options), sessionOutcomes(recording, own)]
  if (!areAll(recording, played, { original, ours })) return []
  return differences.filter((difference) => {
    if (difference.in !== 'store') return difference.in === 'step'
    const [recordedRows, ownRows] = [storedSessions(recording, options), storedSessions(recording, own)]
    return isDeepStrictEqual(difference.recorded, recordedRows) && isDeepStrictEqual(difference.ours, ownRows)
  })
}

function areAll(
  recording: Recording,
  played: Played,
  expected: { readonly original: readonly Outcome[]; readonly ours: readonly Outcome[] },
): boolean {
  const recorded = recording.steps.map(recordedOutcome)
  const ours = played.steps.map((step, index) => playedOutcome(recording.steps[index] ?? {}, step))
  return isDeepStrictEqual(recorded, expected.original) && isDeepStrictEqual(ours, expected.ours)
}

/** What is missing in ours is older than the store keeps it, and there is nothing that was not recorded. */
function isForgotten(recording: Recording, { store, recorded, ours }: StoreDifference): boolean {
  if (ours.some((row) => !recorded.includes(row))) return false
  const forgottenMs = forgottenUntil(recording, store)
  const missing = recorded.filter((row) => !ours.includes(row)).map((row) => JSON.parse(row) as readonly unknown[])
  const entries = recording.stores?.[store] ?? []
  return missing.every(([key, value, , startMs]) =>
    entries.some(
      ([ownKey, ownValue, , window]) =>
        ownKey === key &&
        ownValue === value &&
        window !== undefined &&
        window[0] === startMs &&
        (isSession(recording) ? window[1] : window[0]) <= forgottenMs,
    ),
  )
}

/** Up to which start, or end of a session, the store has forgotten what it had. */
function forgottenUntil(recording: Recording, store: string): number {
  const { op, steps, stores = {}, topology } = recording
  const graceMs = numberOf(recording, 'graceMs')
  if (op.startsWith('streamStream')) {
    const side = /^js-(this|outer-this)-/.test(store) || op === 'streamStreamSelfJoin' ? 'left' : 'right'
    const times = steps.flatMap(({ in: input }) => (input?.topic === side && input.key !== null ? input.ts : []))
    return Math.max(...times) - Math.max(1, numberOf(recording, 'beforeMs') + numberOf(recording, 'afterMs') + graceMs)
  }
  const times = (stores[store] ?? []).map(([, , , window = [0, 0]]) => window[isSession(recording) ? 1 : 0])
  const size = topology.sizeMs ?? topology.windowSizeMs ?? topology.gapMs ?? topology.timeDifferenceMs
  const isSliding = op === 'slidingWindow' || topology.window === 'sliding' || topology.kind === 'sliding'
  return Math.max(...times) - Number(size) * (isSliding ? 2 : 1) - graceMs
}

function isSession({ op, topology }: Recording): boolean {
  return op === 'sessionWindow' || topology.window === 'session' || topology.kind === 'session'
}

function throttleOf({ topology }: Recording): number {
  return Number(topology.emitIntervalWallMs ?? 0)
}

function inOrderIn(part: readonly unknown[], whole: readonly unknown[]): boolean {
  let next = 0
  for (const row of whole) if (isDeepStrictEqual(row, part[next])) next++
  return next >= part.length
}
