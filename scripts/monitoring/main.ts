import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { alerts, expressionOf, runbookOf } from './alerts.ts'
import { dashboardJson } from './board.ts'
import { boards } from './boards.ts'

/** Dashboards and alerts, made from what is written here. `npm run monitoring` writes them; a test holds them equal. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Contents by path below the repository. */
export function monitoringFiles(): Map<string, string> {
  const dashboards = boards.map(
    (board) => [`deploy/grafana/millrace-${board.name}.json`, dashboardJson(board)] as const,
  )
  return new Map([...dashboards, ['deploy/prometheus/alerts.yml', alertsYaml()]])
}

function alertsYaml(): string {
  const rules = alerts.map((alert) => ({
    alert: `Millrace${alert.name}`,
    expr: expressionOf(alert),
    for: alert.for,
    labels: { severity: alert.severity },
    annotations: {
      summary: alert.summary,
      description: alert.description,
      runbook_url: `docs/runbooks/${runbookOf(alert)}.md`,
    },
  }))
  const note = '# Made by `npm run monitoring`, from scripts/monitoring/alerts.ts.\n'
  return note + stringify({ groups: [{ name: 'millrace', rules }] }, { lineWidth: 0 })
}

if (import.meta.main) {
  const files = monitoringFiles()
  for (const folder of ['deploy/grafana', 'deploy/prometheus']) {
    mkdirSync(join(root, folder), { recursive: true })
    const made = new Set([...files.keys()].map((path) => basename(path)))
    for (const name of readdirSync(join(root, folder))) if (!made.has(name)) rmSync(join(root, folder, name))
  }
  for (const [path, content] of files) writeFileSync(join(root, path), content)
}
