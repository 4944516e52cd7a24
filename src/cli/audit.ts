import { Command } from 'commander'
import type { DocumentKey, Manifest } from '../model.ts'
import { compareManifests, type ManifestComparison } from '../operators/audit.ts'
import { manifestSerde } from '../operators/manifest/manifest-codec.ts'
import type { Broker } from '../runtime/broker.ts'
import { changelogTopic } from '../state/changelog.ts'
import { names } from './documents.ts'
import { defaultDataDirectory, indexForReading, openLog, requireCard, workspaceAt } from './workspace.ts'

export function auditCommand(): Command {
  return new Command('audit')
    .description('Compare every point of the index with what the pipeline knows; exit 1 when they differ.')
    .option('--data <folder>', 'the folder that `index` filled', defaultDataDirectory)
    .option('--json', 'one line of counts')
    .action(async ({ data, json }: { data: string; json?: true }) => {
      const report = await audit(data)
      process.stdout.write(`${json ? JSON.stringify(countsOf(report)) : asText(report)}\n`)
      if (driftOf(report) > 0) process.exitCode = 1
    })
}

export interface AuditReport {
  readonly documents: number
  readonly points: number
  readonly comparison: ManifestComparison
  /** Records of the log that are not indexed yet. */
  readonly behind: number
}

/** Reads the manifests from the changelog, as a restore would, and scans the index. */
export async function audit(data: string): Promise<AuditReport> {
  const { pipeline } = await requireCard(data)
  const workspace = workspaceAt(data)
  await using log = openLog(workspace)
  await log.open()
  const manifests = await readManifests(log)
  const index = indexForReading(workspace)
  await index.open({ id: pipeline, dimensions: undefined })
  try {
    let points = 0
    const counted = async function* () {
      for await (const point of index.scan()) {
        points++
        yield point
      }
    }
    const comparison = await compareManifests(manifests, counted())
    return { documents: manifests.size, points, comparison, behind: await recordsBehind(log) }
  } finally {
    await index.close()
  }
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

function driftOf({ comparison }: AuditReport): number {
  return Object.values(comparison).reduce((sum, list) => sum + list.length, 0)
}

function countsOf({ documents, points, comparison, behind }: AuditReport) {
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

const shownDocuments = 10

function asText(report: AuditReport): string {
  const { documents, points, behind, ...drift } = countsOf(report)
  const affected = new Set(
    Object.values(report.comparison).flatMap((list) => list.map(({ doc }: { doc: string }) => doc)),
  )
  const lines = [
    `${documents} documents, ${points} points: ${Object.entries(drift)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ')}`,
    ...[...affected].slice(0, shownDocuments).map((document) => `  ${document}`),
    ...(affected.size > shownDocuments ? [`  and ${affected.size - shownDocuments} more documents`] : []),
    ...(behind > 0 ? [`${behind} records of the log are not indexed yet; run \`millrace index\` again`] : []),
    affected.size > 0
      ? 'The index differs from what the pipeline knows. `millrace index <source> --reindex` builds it anew.'
      : 'The index is right.',
  ]
  return lines.join('\n')
}
