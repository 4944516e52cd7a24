import { Command } from 'commander'
import { type AuditReport, auditIndex, countsOf, driftOf } from './audit-report.ts'
import { defaultDataDirectory, indexForReading, openLog, requireCard, workspaceAt } from './workspace.ts'
import { lockWorkspace } from './workspace-claim.ts'

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

async function audit(data: string): Promise<AuditReport> {
  const { pipeline } = await requireCard(data)
  const workspace = workspaceAt(data)
  await using _lock = await lockWorkspace(data)
  await using log = openLog(workspace)
  await log.open()
  const index = indexForReading(workspace)
  await index.open({ id: pipeline, dimensions: undefined })
  try {
    return await auditIndex(log, index)
  } finally {
    await index.close()
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
