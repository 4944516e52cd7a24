import type { DocumentKey, Manifest, PointId, PointRef } from '../model.ts'
import { manifestPoints } from './manifest/document-points.ts'

/** How an index differs from what the manifests say about it. All lists are empty when it does not. */
export interface ManifestComparison {
  /** In a manifest, not in the index. */
  readonly missing: readonly MissingPoint[]
  /** In the index, in no manifest. */
  readonly orphan: readonly PointRef[]
  /** In both, with another payload than the manifest says. */
  readonly stale: readonly PointRef[]
  /** Written by a pipeline that no manifest knows: another application in the same index, or one that is gone. */
  readonly foreign: readonly PointRef[]
}

export interface MissingPoint {
  readonly id: PointId
  readonly doc: DocumentKey
}

/**
 * Compares what the index should hold with the points that a scan of it found. Looks at ids and hashes only, and changes nothing. Keeps
 * one entry for each expected point in memory, however many points there are.
 */
export async function compareManifests(
  expected: Iterable<readonly [DocumentKey, Manifest]>,
  points: AsyncIterable<PointRef> | Iterable<PointRef>,
): Promise<ManifestComparison> {
  const { missing, pipelines } = expectedPoints(expected)
  const orphan: PointRef[] = []
  const stale: PointRef[] = []
  const foreign: PointRef[] = []
  for await (const point of points) {
    const wanted = missing.get(point.id)
    missing.delete(point.id)
    if (wanted && wanted.payloadHash !== point.payloadHash) stale.push(point)
    if (!wanted) (pipelines.has(point.pipeline) ? orphan : foreign).push(point)
  }
  return { missing: [...missing].map(([id, { doc }]) => ({ id, doc })), orphan, stale, foreign }
}

interface ExpectedPoint {
  readonly doc: DocumentKey
  readonly payloadHash: string
}

function expectedPoints(expected: Iterable<readonly [DocumentKey, Manifest]>): {
  missing: Map<PointId, ExpectedPoint>
  pipelines: Set<string>
} {
  const missing = new Map<PointId, ExpectedPoint>()
  const pipelines = new Set<string>()
  for (const [doc, manifest] of expected) {
    pipelines.add(manifest.pipeline)
    for (const [id, { payloadHash }] of manifestPoints(doc, manifest)) missing.set(id, { doc, payloadHash })
  }
  return { missing, pipelines }
}
