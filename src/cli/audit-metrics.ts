import { rename, writeFile } from 'node:fs/promises'
import { toStreamError } from '../errors.ts'
import { MetricRegistry } from '../metric-registry.ts'
import type { ManifestComparison } from '../operators/audit.ts'
import { names } from './documents.ts'

/** The drift that an audit has found, in the text format of Prometheus. */
export function driftText(index: string, comparison: ManifestComparison): Promise<string> {
  const registry = new MetricRegistry({ application: names.application })
  registry.replace(
    'index_drift_points',
    Object.entries(comparison).map(([kind, points]: [string, readonly unknown[]]) => [{ index, kind }, points.length]),
  )
  return registry.textOf('index_drift_points')
}

/** Writes what somebody may be reading: they see the file as it was, or as it is. Throws STATE_IO. */
export async function writeMetrics(path: string, text: string): Promise<void> {
  try {
    await writeFile(`${path}.new`, `${text}\n`)
    await rename(`${path}.new`, path)
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `${path} cannot be written`)
  }
}
