import type { DocumentKey, Manifest } from '../model.ts'
import { compareManifests, type ManifestComparison } from '../operators/audit.ts'
import { manifestSerde } from '../operators/manifest/manifest-codec.ts'
import type { Broker } from '../runtime/broker.ts'
import { changelogTopic } from '../state/changelog.ts'
import type { VectorIndex } from '../topology/processor.ts'
import { names } from './documents.ts'

export interface AuditReport {
  readonly documents: number
  readonly points: number
  readonly comparison: ManifestComparison
  /** Records of the log that are not indexed yet. */
  readonly behind: number
}

/** Reads the manifests from the changelog, as a restore would, and scans the index. Both must be open. */
export async function auditIndex(log: Broker, index: VectorIndex): Promise<AuditReport> {
  const manifests = await readManifests(log)
  let points = 0
  const counted = async function* () {
    for await (const point of index.scan()) {
      points++
      yield point
    }
  }
  const comparison = await compareManifests(manifests, counted())
  return { documents: manifests.size, points, comparison, behind: await recordsBehind(log) }
}

async function readManifests(log: Broker): Promise<Map<DocumentKey, Manifest>> {
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

async function recordsBehind(log: Broker): Promise<number> {
  const partition = { topic: names.topic, partition: 0 }
  const [range] = await log.offsets([partition])
  const [committed] = await log.committed(names.application, [partition])
  return (range?.latest ?? 0) - (committed?.offset ?? 0)
}

/** The numbers of a report; the first four are drift. */
export function countsOf({ documents, points, comparison, behind }: AuditReport) {
  const { missing, orphan, stale, foreign } = comparison
  return {
    missing: missing.length,
    orphan: orphan.length,
    stale: stale.length,
    foreign: foreign.length,
    documents,
    points,
    behind,
  }
}

/** Points that are not as they should be. */
export function driftOf({ comparison }: AuditReport): number {
  return Object.values(comparison).reduce((sum, list) => sum + list.length, 0)
}
