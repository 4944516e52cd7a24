import type { EmbeddedBroker } from '../connectors/embedded/broker.ts'
import type { VectorIndex } from '../topology/processor.ts'
import { progressOf, readManifests } from './audit-report.ts'
import { names } from './documents.ts'

/**
 * True when the index has lost everything that it should hold (its file was deleted, say), and is going to be filled again. The log must be
 * open, the index and the pipeline must not.
 *
 * Nobody has read the log then, as far as the pipeline can tell: it starts at the first record, and while it recovers it asks the index what
 * there is instead of its own state. So a run that is interrupted goes on like any other.
 */
export async function refillsLostIndex(log: EmbeddedBroker, index: VectorIndex): Promise<boolean> {
  const { committed } = await progressOf(log)
  if (committed === 0 || (await hasPoints(index)) || !(await wantsPoints(log))) return false
  await log.admin.deleteGroup(names.application)
  return true
}

/** Looks at its first points. The index must not be open. */
export async function hasPoints(index: VectorIndex): Promise<boolean> {
  const report = await index.inspect?.({ dimensions: undefined })
  return (report?.pipelines.length ?? 0) > 0
}

async function wantsPoints(log: EmbeddedBroker): Promise<boolean> {
  const manifests = await readManifests(log)
  return manifests.values().some(({ chunks }) => chunks.length > 0)
}
