/**
 * Finds what went back: committed offsets, and versions at the index.
 *
 * A replay may write older versions again: it begins at the committed offset, with a new owner. These never may happen, replay or not:
 *
 * - `offset`: a commit is lower than the one before it.
 * - `settled`: a version is written after an offset beyond its record was committed. Whoever committed had all its writes confirmed, and
 *   no replay begins there: somebody wrote who no longer owned the partition.
 * - `owners`: a process writes to a partition, another one does, and then one that has written to it before, all within one generation
 *   of the group. A generation gives a partition one owner; the last request of the owner before may land in it, but only before the
 *   first of the new one. Counted once for a partition and generation.
 * - `version`: within one generation a process writes an older version of a document after a newer one, and not because both were sent
 *   to the log again.
 *
 * Deletes alone carry no version; what a late one destroys is found at the end, by the oracle.
 */
import type { Commit, CommitLog } from './commit-log.ts'
import { firstTimestamp, type Position } from './delivery.ts'
import type { IndexWrite } from './index-watch.ts'

export interface Regression {
  /** Which of the rules were broken by one write, or by one commit. */
  readonly kinds: readonly Break['kind'][]
  readonly at: number
  /** The process that wrote; undefined when it was a commit, or several processes. */
  readonly by: string | undefined
  readonly text: string
}

interface Break {
  readonly kind: 'offset' | 'settled' | 'owners' | 'version'
  readonly at: number
  readonly text: string
  readonly write?: IndexWrite
}

export interface OrderFacts {
  readonly writes: readonly IndexWrite[]
  readonly log: CommitLog
  readonly topic: string
  /** Where each version of the delivery lies. */
  readonly positions: readonly Position[]
}

/** In the order of their times; a write that breaks several rules is one. */
export function regressionsOf(facts: OrderFacts): Regression[] {
  const found = [...offsetsBack(facts), ...settledWrites(facts), ...sharedPartitions(facts), ...versionsBack(facts)]
  const groups = Map.groupBy(found, (one) => one.write ?? one)
  return [...groups.values()]
    .flatMap((breaks): Regression[] => {
      const [first] = breaks
      if (!first) return []
      const { at, text, write } = first
      return [{ kinds: breaks.map(({ kind }) => kind), at, by: write?.by, text }]
    })
    .sort((a, b) => a.at - b.at)
}

function offsetsBack({ log }: OrderFacts): Break[] {
  const last = new Map<string, Commit>()
  return log.commits.flatMap((commit): Break[] => {
    const place = `${commit.topic}/${commit.partition}`
    const before = last.get(place)
    last.set(place, commit)
    if (!before || commit.offset >= before.offset) return []
    const text = `the committed offset of ${place} went from ${before.offset} back to ${commit.offset}`
    return [{ kind: 'offset', at: commit.at, text }]
  })
}

function settledWrites({ writes, log, topic, positions }: OrderFacts): Break[] {
  const commits = Map.groupBy(
    log.commits.filter((commit) => commit.topic === topic),
    ({ partition }) => partition,
  )
  return writes.flatMap((write): Break[] => {
    const position = write.version === undefined ? undefined : positions[write.version - firstTimestamp]
    if (!position) return []
    const commit = commits.get(position.partition)?.find(({ offset, at }) => offset > position.offset && at < write.at)
    if (!commit) return []
    const fact = `${nameOf(write)} (offset ${position.offset} of partition ${position.partition})`
    const text = `${fact} ${write.at - commit.at} ms after offset ${commit.offset} was committed`
    return [{ kind: 'settled', at: write.at, text, write }]
  })
}

/** Processes in the order of their writes; each process once until another one writes. */
interface Turns {
  readonly generation: number
  readonly names: string[]
  isShared: boolean
  at: number
}

function sharedPartitions({ writes, log }: OrderFacts): Break[] {
  const latest = new Map<number, Turns>()
  /** Who has ever written to a partition. */
  const known = new Map<number, Set<string>>()
  const shared: { readonly partition: number; readonly turns: Turns }[] = []
  for (const { partition, by, at } of writes) {
    const generation = generationAt(log, at)
    const before = latest.get(partition)
    const turns = before?.generation === generation ? before : { generation, names: [], isShared: false, at }
    latest.set(partition, turns)
    const writers = known.get(partition) ?? new Set()
    known.set(partition, writers)
    const isReturn = turns.names.length > 0 && turns.names.at(-1) !== by && writers.has(by)
    if (turns.names.at(-1) !== by) turns.names.push(by)
    writers.add(by)
    if (!isReturn || turns.isShared) continue
    turns.isShared = true
    turns.at = at
    shared.push({ partition, turns })
  }
  return shared.map(({ partition, turns: { names, at, generation } }) => {
    const text = `partition ${partition} was written by ${names.join(', then ')} within generation #${generation} of the group`
    return { kind: 'owners', at, text }
  })
}

function versionsBack({ writes, log, positions }: OrderFacts): Break[] {
  const latest = new Map<string, { readonly version: number; readonly generation: number }>()
  return writes.flatMap((write): Break[] => {
    if (write.version === undefined) return []
    const place = `${write.by} ${write.doc}`
    const generation = generationAt(log, write.at)
    const before = latest.get(place)
    latest.set(place, { version: write.version, generation })
    if (before?.generation !== generation || write.version >= before.version) return []
    if (before.version <= (positions[write.version - firstTimestamp]?.sentAgainUpTo ?? -1)) return []
    return [{ kind: 'version', at: write.at, text: `${nameOf(write)} after ${placeOf(before.version)}`, write }]
  })
}

const generationAt = ({ generations }: CommitLog, at: number) => generations.filter((begun) => begun <= at).length

export const placeOf = (version: number) => `version #${version - firstTimestamp}`

function nameOf({ by, doc, version }: IndexWrite): string {
  return `${by} wrote ${version === undefined ? 'deletes' : placeOf(version)} of ${doc}`
}
