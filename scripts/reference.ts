import { readFileSync, writeFileSync } from 'node:fs'
import { runtimeSettings } from '../src/config.ts'
import { errorTable } from '../src/errors.ts'
import { type MetricDefinition, metricPrefix, metricTable } from '../src/metrics.ts'

/** The tables of docs/reference.md that come from the code. `npm run reference` writes them; a test holds them equal. */
export const referenceFile = new URL('../docs/reference.md', import.meta.url)

/** A row per error code: what the runtime does about it, the exit code of the command line, the usual next step. */
function errorRows(): string[] {
  return Object.entries(errorTable).map(
    ([code, { reaction, exit, fix }]) => `| \`${code}\` | ${reaction} | ${exit} | ${fix} |`,
  )
}

/** A row per setting of a runtime: type, default, meaning. */
function settingRows(): string[] {
  return Object.entries(runtimeSettings.shape).map(([name, schema]) => {
    const parsed = schema.safeParse(undefined)
    const standard = parsed.success && parsed.data !== undefined ? `\`${JSON.stringify(parsed.data)}\`` : '-'
    return `| \`${name}\` | ${standard} | ${schema.description ?? ''} |`
  })
}

/** A row per metric: type, labels, level, meaning. */
function metricRows(): string[] {
  const table: Readonly<Record<string, MetricDefinition>> = metricTable
  return Object.entries(table).map(([name, { type, labels, level, help }]) => {
    const names = labels.map((label) => `\`${label}\``).join(', ') || '-'
    return `| \`${metricPrefix}${name}\` | ${type} | ${names} | ${level} | ${help} |`
  })
}

/** The page with all tables put between their markers. */
export function withTables(page: string): string {
  const withErrors = replaced(page, 'errors', errorRows())
  return replaced(replaced(withErrors, 'settings', settingRows()), 'metrics', metricRows())
}

function replaced(page: string, marker: string, rows: readonly string[]): string {
  const [open, close] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`]
  const start = page.indexOf(open)
  const end = page.indexOf(close)
  if (start < 0 || end < 0) throw new Error(`docs/reference.md has no ${marker} table`)
  const [head = '', rule = ''] = page
    .slice(start + open.length, end)
    .trim()
    .split('\n')
  return `${page.slice(0, start + open.length)}\n${[head, rule, ...rows].join('\n')}\n${page.slice(end)}`
}

if (import.meta.main) writeFileSync(referenceFile, withTables(readFileSync(referenceFile, 'utf8')))
