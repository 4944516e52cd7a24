import type { TopicPartition } from '../../runtime/broker.ts'
import type { TransactionEntry } from './transaction-log.ts'

export type Outcome = 'commit' | 'abort'

type Decision = Pick<TransactionEntry, 'state' | 'partitions'>

/**
 * What has to become of partitions on which a producer's records were left without an end: what the coordinator has decided for the last
 * transaction that touched them. `entries` are those of the producer id, oldest first. A partition of which they do not tell is not in
 * the map.
 *
 * A repair that was interrupted is aborted by the coordinator, with the partitions that it had taken on by then: those that it had not
 * then have to be aborted, too. So a commit counts only when none of its other partitions was ended by an abort since.
 */
export function outcomesOf(entries: readonly Decision[], hanging: readonly TopicPartition[]): Map<string, Outcome> {
  const decisions = entries.filter(({ state }) => state.startsWith('prepare'))
  const isHanging = new Set(hanging.map(nameOf))
  return new Map(
    hanging.flatMap((partition) => {
      const at = decisions.findLastIndex((decision) => touches(decision, partition))
      const decision = decisions[at]
      if (!decision) return []
      const isAborted = decision.partitions.some((other) => {
        if (isHanging.has(nameOf(other))) return false
        return outcomeOf(decisions.slice(at + 1).find((later) => touches(later, other))) === 'abort'
      })
      return [[nameOf(partition), isAborted ? 'abort' : (outcomeOf(decision) ?? 'abort')] as const]
    }),
  )
}

/** What is to be ended next, of all that hangs. */
export interface NextEnd {
  readonly outcome: Outcome
  readonly partitions: readonly TopicPartition[]
  /** The transaction log tells it. What it does not tell of is aborted: nobody has seen it, and its input is there to be processed again. */
  readonly isDecided: boolean
}

/** Aborts come before commits: they may decide what becomes of the rest. */
export function nextEnd(outcomes: ReadonlyMap<string, Outcome>, hanging: readonly TopicPartition[]): NextEnd {
  const outcomeOf = (partition: TopicPartition) => outcomes.get(nameOf(partition)) ?? 'abort'
  const outcome = hanging.some((partition) => outcomeOf(partition) === 'abort') ? 'abort' : 'commit'
  const partitions = hanging.filter((partition) => outcomeOf(partition) === outcome)
  return { outcome, partitions, isDecided: partitions.every((partition) => outcomes.has(nameOf(partition))) }
}

export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

function outcomeOf(decision: Decision | undefined): Outcome | undefined {
  return decision && (decision.state === 'prepare-commit' ? 'commit' : 'abort')
}

function touches({ partitions }: Decision, wanted: TopicPartition): boolean {
  return partitions.some(({ topic, partition }) => topic === wanted.topic && partition === wanted.partition)
}
