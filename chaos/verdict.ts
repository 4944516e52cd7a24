/** Judges what was seen. */
import { documentsAfter } from '../test/support/change-stream.ts'
import { faultsOf } from '../test/support/oracle.ts'
import { appearancesOf, neededEmbeddings } from './embeddings.ts'
import { type Regression, regressionsOf } from './order.ts'
import type { ChaosFacts } from './run.ts'

/** A document whose points are not those of its latest version. */
export interface WrongDocument {
  readonly key: string
  readonly exists: boolean
  readonly points: number
  readonly faults: readonly string[]
}

export interface Verdict {
  readonly wrong: readonly WrongDocument[]
  readonly regressions: readonly Regression[]
  /** Of processes, the drain and dead letters. */
  readonly others: readonly string[]
  readonly summary: Summary
}

/** The last line of `--json`. */
export interface Summary {
  readonly seed: number
  /** Sentences of the oracle, and everything else that must not happen, but not regressions. */
  readonly faults: number
  /** Documents whose points are missing or old. */
  readonly lost: number
  /** Points of documents that do not exist. */
  readonly orphan: number
  readonly documents: number
  readonly kills: number
  readonly freezes: number
  readonly brokerRestarts: number
  readonly embedded: number
  readonly extraEmbeddedShare: number
  readonly regressions: number
}

export function judge(facts: ChaosFacts): Verdict {
  const { plan, watch, counts, deadLetters } = facts
  const embedded = [...facts.embedded.values()].reduce((sum, count) => sum + count, 0)
  const { events } = plan.delivery
  const wrong = wrongDocuments(facts)
  const regressions = regressionsOf({ ...facts, writes: watch.writes })
  const others = [...facts.faults, ...(deadLetters > 0 ? [`${deadLetters} records were given up (dead letters)`] : [])]
  const needed = neededEmbeddings(watch.appearances, appearancesOf(events))
  const summary: Summary = {
    seed: plan.options.seed,
    faults: wrong.reduce((sum, { faults }) => sum + faults.length, 0) + others.length,
    lost: wrong.filter(({ exists }) => exists).length,
    orphan: wrong.reduce((sum, { exists, points }) => sum + (exists ? 0 : points), 0),
    documents: documentsAfter(events).size,
    kills: counts.kills,
    freezes: counts.freezes,
    brokerRestarts: counts.brokerRestarts,
    embedded,
    extraEmbeddedShare: embedded === 0 ? 0 : Number(((embedded - needed) / embedded).toFixed(4)),
    regressions: regressions.length,
  }
  return { wrong, regressions, others, summary }
}

/** Document by document, so that each fault has its key. */
function wrongDocuments({ plan, points }: ChaosFacts): WrongDocument[] {
  const events = Map.groupBy(plan.delivery.events, ({ key }) => key)
  const byKey = Map.groupBy(points, ({ key }) => key)
  return [...new Set([...events.keys(), ...byKey.keys()])].flatMap((key) => {
    const own = byKey.get(key) ?? []
    const history = events.get(key) ?? []
    const faults = faultsOf(history, own)
    return faults.length === 0 ? [] : [{ key, exists: documentsAfter(history).has(key), points: own.length, faults }]
  })
}

export const isGood = ({ summary }: Verdict): boolean => summary.faults === 0 && summary.regressions === 0
