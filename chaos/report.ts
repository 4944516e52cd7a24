/** Says in words what happened, with the evidence for what went wrong. */

import { firstTimestamp } from './delivery.ts'
import type { IndexWrite } from './index-watch.ts'
import type { Journal } from './journal.ts'
import { placeOf, type Regression } from './order.ts'
import type { ChaosFacts } from './run.ts'
import { isGood, type Verdict, type WrongDocument } from './verdict.ts'

/** Of more, only the number is shown. */
const shown = 8
const shownWrites = 12
const shownTogether = 4
const shownBefore = 8
/** How far back the events before a regression are shown. */
const evidenceMs = 12_000

export function reportOf(facts: ChaosFacts, verdict: Verdict, journal: Journal): string {
  const { wrong, regressions, others } = verdict
  return [
    ...outlineOf(facts, verdict),
    ...wasteLines(facts),
    ...listed('The index is wrong', wrong, (document) => documentLines(document, facts, journal)),
    ...listed('Went back', Map.groupBy(regressions, ({ at, by }) => `${at} ${by}`).values(), (together) =>
      regressionLines(together, journal),
    ),
    ...listed('Must not happen', others, (text) => [text]),
    isGood(verdict) ? 'Nothing lost, nothing left over.' : `FAILED. Logs, states and counters: ${facts.folder}`,
  ].join('\n')
}

function outlineOf({ plan, counts, watch, log, drainMs, longestStallMs }: ChaosFacts, { summary }: Verdict): string[] {
  const { seed, minutes, stream, guarantee } = plan.options
  const { documents, lost, orphan, embedded, extraEmbeddedShare } = summary
  const { kills, terminations, additions, freezes, brokerRestarts } = counts
  const indexFaults = plan.schedule.filter(({ kind }) => kind.startsWith('index')).length
  return [
    `seed ${seed}, ${minutes} min, ${guarantee}, ${plan.delivery.events.length} events of ${stream}`,
    `  hurt: ${kills} kill -9, ${terminations} TERM, ${freezes} freezes, ${brokerRestarts} broker restarts, ${additions} additions, ${indexFaults} index faults`,
    `  saw: ${log.generations.length} generations of the group, ${log.commits.length} commits, ${watch.writes.length} document writes; drained in ${drainMs} ms; the index stood still for up to ${longestStallMs} ms`,
    `  ${documents} documents: ${lost} lost, ${orphan} orphan points, ${summary.regressions} regressions, ${summary.faults} faults`,
    `  ${embedded} embeddings, ${(100 * extraEmbeddedShare).toFixed(1)} % more than the index needed`,
  ]
}

/** Embeddings that became no new point: their process ended, lost its partitions, or did what the index held already. */
function wasteLines({ embedded, watch }: ChaosFacts): string[] {
  const waste = [...embedded]
    .map(([name, count]) => ({ name, count, wasted: count - (watch.created.get(name) ?? 0) }))
    .filter(({ wasted }) => wasted > 0)
    .map(({ name, count, wasted }) => `${name} ${wasted} of ${count}`)
  return waste.length === 0 ? [] : [`  embedded and never a new point: ${waste.join(', ')}`]
}

function listed<T>(title: string, all: Iterable<T>, lines: (item: T) => readonly string[]): string[] {
  const items = [...all]
  if (items.length === 0) return []
  const rest = items.length > shown ? [`  ... and ${items.length - shown} more`] : []
  return [`${title}:`, ...items.slice(0, shown).flatMap((item) => lines(item).map((line) => `  ${line}`)), ...rest]
}

/** What is wrong, the last versions, and the last writes, whoever made them. */
function documentLines({ key, faults }: WrongDocument, facts: ChaosFacts, journal: Journal): string[] {
  const versions = facts.plan.delivery.events
    .flatMap((event, index) => (event.key === key ? [{ event, index }] : []))
    .slice(-3)
    .map(({ event, index }) => {
      const { partition, offset } = facts.positions[index] ?? {}
      return `${placeOf(firstTimestamp + index)} ${event.op} at ${partition}/${offset}`
    })
  const writes = facts.watch.writes.filter(({ doc }) => doc === key).slice(-shownWrites)
  return [
    ...faults.slice(0, 4),
    `    latest versions: ${versions.join(', ')}`,
    ...writes.map((write) => `    ${journal.time(write.at)}  ${writeText(write)}`),
  ]
}

function writeText({ by, version, upserts, payloads, deletes, fault }: IndexWrite): string {
  const what = version === undefined ? 'no version' : placeOf(version)
  return `${by} ${what}: ${upserts} upserts, ${payloads} payloads, ${deletes} deletes${fault ? ` (${fault})` : ''}`
}

/** What one request did, and what happened before it. */
function regressionLines(together: readonly Regression[], journal: Journal): string[] {
  const at = together[0]?.at ?? 0
  return [
    ...together.slice(0, shownTogether).map(({ kinds, text }) => `${journal.time(at)}  ${kinds.join(', ')}: ${text}`),
    ...(together.length > shownTogether ? [`    ... and ${together.length - shownTogether} more at that moment`] : []),
    ...journal
      .before(at, evidenceMs)
      .filter(isOfProcess)
      .slice(-shownBefore)
      .map((line) => `    before: ${line}`),
  ]
}

const isOfProcess = (line: string) => !/ index: /.test(line)
