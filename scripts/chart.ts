import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml'

/**
 * What the Helm chart has from elsewhere in the repository: its version, dashboards, alerts, and the table of values in its README.
 * Helm reads no file outside of a chart, so they are copies. `npm run chart` writes them; a test holds them equal.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
export const chartFolder = join(root, 'deploy', 'helm', 'millrace')

/** Where copies come from, and where in the chart they go. */
const copies = [
  { from: 'deploy/grafana/*.json', to: 'files/grafana' },
  { from: 'deploy/prometheus/alerts.yml', to: 'files/prometheus' },
] as const

/** Every generated file by its path in the chart, with the content that it should have. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>()
  for (const { from, to } of copies) {
    for (const source of globSync(from, { cwd: root })) files.set(`${to}/${basename(source)}`, readRoot(source))
  }
  const { version } = JSON.parse(readRoot('package.json')) as { version: string }
  files.set('Chart.yaml', withVersion(readChart('Chart.yaml'), version))
  files.set('README.md', withTable(readChart('README.md'), valueRows(readChart('values.yaml'))))
  return files
}

/** Files of the chart that are copies of something that is no longer there. */
export function leftOverFiles(): string[] {
  const wanted = generatedFiles()
  const present = copies.flatMap(({ to }) => globSync(`${to}/*.{json,yml}`, { cwd: chartFolder }))
  return present.map((path) => path.replaceAll('\\', '/')).filter((path) => !wanted.has(path))
}

function withVersion(chart: string, version: string): string {
  return chart.replace(/^version: .*$/m, `version: ${version}`).replace(/^appVersion: .*$/m, `appVersion: "${version}"`)
}

/**
 * A row for each value with a comment that starts with "--": its place, its default, what the comment says.
 * Throws for a value that has neither such a comment nor values below it.
 */
export function valueRows(values: string): string[] {
  const { contents } = parseDocument(values)
  return isMap(contents) ? rowsOf(contents, []) : []
}

function rowsOf(map: YAMLMap, place: readonly string[]): string[] {
  return map.items.flatMap((pair, index) => {
    const path = [...place, nameOf(pair)]
    const text = descriptionOf(pair, index === 0 ? map.commentBefore : undefined)
    if (text !== undefined)
      return [`| \`${path.join('.')}\` | \`${defaultOf(pair)}\` | ${text.replaceAll('|', '\\|')} |`]
    if (isMap(pair.value)) return rowsOf(pair.value, path)
    throw new Error(`values.yaml: ${path.join('.')} has no comment that starts with "--"`)
  })
}

function nameOf({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : String(key)
}

/** The comment above the first value of a map belongs to the map. */
function descriptionOf({ key }: Pair, ofMap: string | null | undefined): string | undefined {
  const comment = (isScalar(key) ? key.commentBefore : undefined) ?? ofMap ?? ''
  return /(?:^|\n) ?-- ([\s\S]*)$/.exec(comment)?.[1]?.replaceAll(/\s+/g, ' ')
}

function defaultOf({ value }: Pair): string {
  return JSON.stringify(isScalar(value) || isMap(value) ? value.toJSON() : JSON.parse(JSON.stringify(value)))
}

function withTable(page: string, rows: readonly string[]): string {
  const table = ['| value | default | meaning |', '|---|---|---|', ...rows].join('\n')
  return page.replace(/(<!-- values -->\n)[\s\S]*(<!-- \/values -->)/, (_, open, close) => `${open}${table}\n${close}`)
}

function readRoot(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

function readChart(path: string): string {
  return readFileSync(join(chartFolder, path), 'utf8')
}

if (import.meta.main) {
  for (const path of leftOverFiles()) rmSync(join(chartFolder, path))
  for (const [path, content] of generatedFiles()) {
    const file = join(chartFolder, path)
    if (!existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}
