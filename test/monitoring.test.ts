import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { alerts, expressionOf, runbookOf } from '../scripts/monitoring/alerts.ts'
import { boards } from '../scripts/monitoring/boards.ts'
import { monitoringFiles, root } from '../scripts/monitoring/main.ts'
import { type MetricDefinition, metricPrefix, metricTable } from '../src/metrics.ts'

const panels = boards.flatMap(({ rows }) => rows.flatMap((row) => row.panels))
const expressions = [
  ...panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)),
  ...alerts.map((alert) => expressionOf(alert)),
]
const table: Readonly<Record<string, MetricDefinition>> = metricTable

interface PlacedPanel {
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
}

/** Names as the table has them: the series of a histogram have an ending. */
function metricsIn(expression: string): string[] {
  const found = expression.matchAll(new RegExp(`\\b${metricPrefix}(\\w+)`, 'g'))
  return [...found].map(([, name = '']) => (name in table ? name : name.replace(/_(bucket|sum|count)$/, '')))
}

describe('metrics', () => {
  test('are each shown by a dashboard or watched by an alert, and those use no others', () => {
    const used = new Set(expressions.flatMap(metricsIn))

    expect([...used].sort()).toEqual(Object.keys(table).sort())
  })

  test('are named as Prometheus wants it', () => {
    const wrong = Object.entries(table).filter(
      ([name, { type }]) => !/^[a-z][a-z0-9_]*$/.test(name) || name.endsWith('_total') !== (type === 'counter'),
    )
    expect(wrong.map(([name]) => name)).toEqual([])
  })

  test('have buckets when they are histograms, in order', () => {
    for (const [name, { type, buckets = [] }] of Object.entries(table)) {
      expect(buckets.length > 0, name).toBe(type === 'histogram')
      expect([...buckets].sort((a, b) => a - b)).toEqual(buckets)
    }
  })
})

describe('dashboards and alerts', () => {
  test('are checked in as they are generated', () => {
    for (const [path, content] of monitoringFiles())
      expect(readFileSync(join(root, path), 'utf8'), `${path}: run npm run monitoring`).toBe(content)
    const checkedIn = ['deploy/grafana', 'deploy/prometheus'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
    )
    expect(checkedIn.sort()).toEqual([...monitoringFiles().keys()].sort())
  })

  test('say of each panel what it shows, in which unit', () => {
    expect(boards).toHaveLength(5)
    for (const { title, description, unit } of panels) {
      expect(title).not.toBe('')
      expect(unit, title).not.toBe('')
      expect(description, title).toMatch(/^.{20,}\.$/)
    }
  })

  test('lay panels out beside and below one another, in the 24 columns of Grafana', () => {
    for (const path of [...monitoringFiles().keys()].filter((path) => path.endsWith('.json'))) {
      const { panels: placed } = JSON.parse(readFileSync(join(root, path), 'utf8')) as { panels: PlacedPanel[] }
      const cells = placed.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
      )
      expect(new Set(cells).size, path).toBe(cells.length)
      expect(placed.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true)
    }
  })

  test('let every query of a panel be narrowed by namespace, application and instance', () => {
    for (const { queries } of panels) {
      for (const { expr } of queries) {
        const selectors = expr.match(new RegExp(`${metricPrefix}\\w+`, 'g'))?.length
        expect(expr.match(/application=~"\$application",instance=~"\$instance"/g), expr).toHaveLength(selectors ?? 0)
      }
    }
  })

  test('have a runbook for each alert, and no other', () => {
    const folder = join(root, 'docs', 'runbooks')

    expect(alerts).toHaveLength(15)
    expect(readdirSync(folder).sort()).toEqual(alerts.map((alert) => `${runbookOf(alert)}.md`).sort())
    for (const alert of alerts) {
      const page = readFileSync(join(folder, `${runbookOf(alert)}.md`), 'utf8')
      expect(page).toContain(`\`Millrace${alert.name}\``)
      expect(page.match(/^## .*$/gm)).toEqual(['## What it means', '## What to look at', '## What to do'])
    }
  })
})
