import { Command } from 'commander'
import { driftText, writeMetrics } from './audit-metrics.ts'
import { type AuditReport, auditIndex, countsOf, driftOf } from './audit-report.ts'
import { ownName } from './own-name.ts'
import { defaultDataDirectory, indexForReading, requireCard, workspaceAt } from './workspace.ts'
import { lockWorkspace } from './workspace-claim.ts'
import { openFilledLog, workspaceError } from './workspace-log.ts'

export function auditCommand(): Command {
  return new Command('audit')
    .description(
      'Compare every point of the index with what the pipeline knows; exit 1 when they differ, or records are still to be indexed.',
    )
    .option('--data <folder>', 'the folder that `index` filled', defaultDataDirectory)
    .option('--json', 'one line of counts')
    .option('--metrics-file <file>', 'also write the drift for the textfile collector of node exporter: name it *.prom')
    .action(async ({ data, json, metricsFile }: { data: string; json?: true; metricsFile?: string }) => {
      const { report, index } = await audit(data)
      process.stdout.write(`${json ? JSON.stringify(countsOf(report)) : asText(data, report)}\n`)
      if (metricsFile !== undefined) await writeMetrics(metricsFile, await driftText(index, report.comparison))
      if (driftOf(report) > 0 || report.behind > 0) process.exitCode = 1
    })
}

const stopFirst = 'Stop it, then run `audit` again; `search` and `export` work meanwhile.'

async function audit(data: string): Promise<{ readonly report: AuditReport; readonly index: string }> {
  const { pipeline } = await requireCard(data)
  const workspace = workspaceAt(data)
  await using _lock = await lockWorkspace(data, stopFirst)
  await using log = await openFilledLog(workspace)
  const index = indexForReading(workspace)
  await index.open({ id: pipeline, dimensions: undefined })
  try {
    return { report: await auditIndex(log, index), index: index.name }
  } catch (error) {
    throw workspaceError(error)
  } finally {
    await index.close()
  }
}

const shownDocuments = 10

function asText(data: string, report: AuditReport): string {
  const { documents, points, behind, inProgress, ...drift } = countsOf(report)
  const counts = [
    ...Object.entries(drift).map(([kind, count]) => `${count} ${kind}`),
    ...(behind > 0 ? [`${inProgress} in progress`] : []),
  ]
  const affected = new Set(
    Object.values(report.comparison).flatMap((list) => list.map(({ doc }: { doc: string }) => doc)),
  )
  const lines = [
    `${documents} documents, ${points} points: ${counts.join(', ')}`,
    ...[...affected].slice(0, shownDocuments).map((document) => `  ${document}`),
    ...(affected.size > shownDocuments ? [`  and ${affected.size - shownDocuments} more documents`] : []),
    conclusion(data, behind, affected.size),
  ]
  return lines.join('\n')
}

/** One next step: whether something is wrong with the index is only known when all records are indexed. */
function conclusion(data: string, behind: number, affected: number): string {
  const index = `${ownName()} index <source>`
  if (behind > 0) return `${data} has ${behind} records that are not indexed yet. Run \`${index}\` again.`
  if (affected > 0) return `The index differs from what the pipeline knows. \`${index} --reindex\` builds it anew.`
  return 'The index is right.'
}
