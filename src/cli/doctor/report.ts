import { counted } from '../../counted.ts'
import type { Level } from './check.ts'
import type { Report } from './examine.ts'

/** One JSON object a line. */
export function asLines(reports: readonly Report[]): string {
  return reports.map((report) => `${JSON.stringify(report)}\n`).join('')
}

/**
 * A line per finding, with its fix on the next one, and the counts in the end.
 *
 *     ok       node    Node 24.1.0
 *     problem  topics  kafka 127.0.0.1:9092 has no topic "documents"
 *                      Create the topic.
 */
export function asText(reports: readonly Report[]): string {
  const width = Math.max(0, ...reports.map(({ check }) => check.length))
  const indent = ' '.repeat(levelWidth + width + 4)
  const lines = reports.flatMap(({ level, check, fact, fix }) => [
    `${level.padEnd(levelWidth)}  ${check.padEnd(width)}  ${fact.replaceAll('\n', `\n${indent}`)}`,
    ...(fix === undefined ? [] : [`${indent}${fix}`]),
  ])
  return `${[...lines, summaryOf(reports)].join('\n')}\n`
}

const levelWidth = 'problem'.length

function summaryOf(reports: readonly Report[]): string {
  const count = (wanted: Level) => reports.filter(({ level }) => level === wanted).length
  const parts = [
    counted(count('problem'), 'problem'),
    counted(count('warning'), 'warning'),
    `${count('ok')} ok`,
    ...(count('skipped') > 0 ? [`${count('skipped')} skipped`] : []),
  ]
  return parts.join(', ')
}
