import type { DocumentKey, Manifest, PointRef } from '../model.ts'
import { compareManifests, type ManifestComparison } from '../operators/audit.ts'
import { manifestSerde } from '../operators/manifest/manifest-codec.ts'
import type { Broker } from '../runtime/broker.ts'
import { changelogTopic } from '../state/changelog.ts'
import type { VectorIndex } from '../topology/processor.ts'
import { names } from './documents.ts'

const documents = { topic: names.topic, partition: 0 }

export interface AuditReport {
  readonly documents: number
  readonly points: number
  /** Without the documents that are in progress. */
  readonly comparison: ManifestComparison
  /** Points that differ because a record of their document is not committed yet: no drift, the next run sees to them. */
  readonly inProgress: number
  /** Records of the log that are not indexed yet. */
  readonly behind: number
}

/**
 * Reads the manifests from the changelog, as a restore would, and scans the index. Both must be open. Keeps the keys of the documents that
 * are in progress in memory.
 */
export async function auditIndex(log: Broker, index: VectorIndex): Promise<AuditReport> {
  const manifests = await readManifests(log)
  let points = 0
  const counted = async function* () {
    for await (const point of index.scan()) {
      points++
      yield point
    }
  }
  const found = await compareManifests(manifests, counted())
  const { pending, behind } = await uncommitted(log)
  const comparison = without(pending, found)
  return { documents: manifests.size, points, comparison, inProgress: total(found) - total(comparison), behind }
}

/** What is known of these documents is out of date, so a difference says nothing. */
function without(pending: ReadonlySet<DocumentKey>, found: ManifestComparison): ManifestComparison {
  const settled = <T extends Pick<PointRef, 'doc'>>(points: readonly T[]) =>
    points.filter(({ doc }) => !pending.has(doc))
  return {
    missing: settled(found.missing),
    orphan: settled(found.orphan),
    stale: settled(found.stale),
    foreign: settled(found.foreign),
  }
}

/** What the pipeline knew of each document at its last commit. Throws TOPIC_MISSING before the first one. */
export async function readManifests(log: Broker): Promise<Map<DocumentKey, Manifest>> {
  const topic = changelogTopic(names.application, names.diff)
  const manifests = new Map<DocumentKey, Manifest>()
  for await (const { records } of log.read({ topic, partition: 0 }, 0)) {
    for (const { key, value } of records) {
      const document = Buffer.from(key ?? []).toString()
      if (value === null) manifests.delete(document)
      else manifests.set(document, manifestSerde.deserialize(value))
    }
  }
  return manifests
}

/** The documents of which the log has a record that is not committed yet. */
export async function uncommitted(
  log: Broker,
): Promise<{ readonly pending: Set<DocumentKey>; readonly behind: number }> {
  const { committed, behind } = await progressOf(log)
  const pending = new Set<DocumentKey>()
  if (behind === 0) return { pending, behind }
  for await (const { records } of log.read(documents, committed)) {
    for (const { key } of records) pending.add(Buffer.from(key ?? []).toString())
  }
  return { pending, behind }
}

/** How far the pipeline has come in the log, and how many offsets are left. */
export async function progressOf(log: Broker): Promise<{ readonly committed: number; readonly behind: number }> {
  const [range] = await log.offsets([documents])
  const [known] = await log.committed(names.application, [documents])
  const committed = known?.offset ?? 0
  return { committed, behind: (range?.latest ?? 0) - committed }
}

/** The numbers of a report; the first four are drift. */
export function countsOf({ documents, points, comparison, inProgress, behind }: AuditReport) {
  const { missing, orphan, stale, foreign } = comparison
  return {
    missing: missing.length,
    orphan: orphan.length,
    stale: stale.length,
    foreign: foreign.length,
    inProgress,
    documents,
    points,
    behind,
  }
}

/** Points that are not as they should be. */
export function driftOf({ comparison }: AuditReport): number {
  return total(comparison)
}

function total(comparison: ManifestComparison): number {
  return Object.values(comparison).reduce((sum, list) => sum + list.length, 0)
}
