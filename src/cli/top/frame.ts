import { printableLine } from '../printable.ts'
import type {
  AnsweringInstance,
  InstanceView,
  ViewedCount,
  ViewedEmbedder,
  ViewedIndex,
  ViewedRestore,
  ViewedTask,
} from './instance-view.ts'

/** A line of a frame, and how a terminal may show it. */
export interface FrameLine {
  readonly text: string
  readonly tone?: 'heading' | 'alarm'
}

export interface FrameOptions {
  /** Columns; longer lines are cut. */
  readonly width: number
  /** Tasks of an instance that are shown; of more, those that need a look. Default 20. */
  readonly maxTasks?: number | undefined
}

const barWidth = 16
const defaultMaxTasks = 20
const unknown = '-'

/** All instances as lines of text. */
export function frameOf(views: readonly InstanceView[], { width, maxTasks }: FrameOptions): readonly FrameLine[] {
  const lines = views.flatMap((view, at) => [
    ...(at > 0 ? [{ text: '' }] : []),
    ...('problem' in view ? [silent(view.url, view.problem)] : instanceLines(view, maxTasks ?? defaultMaxTasks)),
  ])
  return lines.map((line) => ({ ...line, text: fitted(line.text, width) }))
}

function silent(url: string, problem: string): FrameLine {
  return { text: `${url}  ${problem}`, tone: 'alarm' }
}

function instanceLines(view: AnsweringInstance, maxTasks: number): readonly FrameLine[] {
  const { url, application, version, state, readiness, deadLetters, errors } = view
  const isWell = readiness?.ok !== false && state !== 'failed'
  return [
    { text: `${url}  ${application} ${version}  ${state}`, tone: isWell ? 'heading' : 'alarm' },
    ...(readiness?.ok === false ? [{ text: `  not ready: ${readiness.reason}`, tone: 'alarm' as const }] : []),
    { text: `  ${summaryOf(view)}` },
    ...taskLines(view.tasks, maxTasks),
    ...view.embedders.map((embedder) => ({ text: `  ${embedderText(embedder)}` })),
    ...view.indexes.map((index) => ({ text: `  ${indexText(index)}` })),
    ...countLines('dead letters', deadLetters),
    ...countLines('errors', errors),
  ]
}

function summaryOf({ tasks, standbys, recordsPerSecond }: AnsweringInstance): string {
  const following = standbys.lagRecords === undefined ? '' : `, ${count(standbys.lagRecords)} behind`
  return [
    `${number(recordsPerSecond)} records/s`,
    `lag ${lagOf(tasks)}`,
    tasks.length === 1 ? '1 task' : `${tasks.length} tasks`,
    ...(standbys.count > 0 ? [`${standbys.count} standbys${following}`] : []),
  ].join('   ')
}

/** It is not known before an instance has looked how far the log goes. */
function lagOf(tasks: readonly ViewedTask[]): string {
  const records = tasks.flatMap(({ lagRecords = [] }) => lagRecords)
  if (records.length === 0) return unknown
  const seconds = Math.max(...tasks.map(({ lagSeconds = 0 }) => lagSeconds))
  return `${count(records.reduce((sum, own) => sum + own, 0))} records, ${duration(seconds)}`
}

const columns = ['task', 'state', 'lag', 'behind', 'in flight', 'uncommitted', 'records/s']
const widths = [9, 11, 10, 9, 9, 11, 9]

function taskLines(tasks: readonly ViewedTask[], maxTasks: number): readonly FrameLine[] {
  if (tasks.length === 0) return []
  const shown = new Set(tasks.toSorted((a, b) => concernOf(b) - concernOf(a)).slice(0, maxTasks))
  const hidden = tasks.filter((task) => !shown.has(task))
  const lag = Math.max(...hidden.map(({ lagRecords = 0 }) => lagRecords))
  return [
    { text: row(columns), tone: 'heading' },
    ...tasks.filter((task) => shown.has(task)).map((task) => ({ text: taskText(task) })),
    ...(hidden.length > 0 ? [{ text: `  ... and ${hidden.length} more with a lag of ${count(lag)} at most` }] : []),
  ]
}

/** What is restored first, then what is behind. */
function concernOf({ state, lagRecords = 0 }: ViewedTask): number {
  return state === 'running' ? lagRecords : Number.MAX_SAFE_INTEGER
}

function taskText(task: ViewedTask): string {
  const { id, state, restore, lagRecords, lagSeconds, inFlight, uncommittedSeconds, recordsPerSecond } = task
  if (restore) return `${row([id, state])}  ${restoreText(restore)}`
  return row([
    id,
    state,
    lagRecords === undefined ? unknown : count(lagRecords),
    duration(lagSeconds),
    inFlight === undefined ? unknown : count(inFlight),
    duration(uncommittedSeconds),
    number(recordsPerSecond),
  ])
}

/** Text to the left, numbers to the right. */
function row(cells: readonly string[]): string {
  const padded = cells.map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
  return `  ${padded.join(' ').trimEnd()}`
}

/** `[####------------] 2,500/10,000  7.5 s left  1,000/s` */
function restoreText({ restored, remaining, perSecond }: ViewedRestore): string {
  const total = restored + remaining
  const filled = total === 0 ? 0 : Math.floor((barWidth * restored) / total)
  const left = perSecond ? [`${duration(remaining / perSecond)} left`, `${number(perSecond)}/s`] : []
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]`
  return [`${bar} ${count(restored)}/${count(total)}`, ...left].join('  ')
}

function embedderText(embedder: ViewedEmbedder): string {
  const { node, model, device, textsPerSecond, textsPerBatch, tokensPerSecond, waitingDocuments } = embedder
  const facts = [
    `${number(textsPerSecond)} texts/s`,
    `${number(textsPerBatch)} a batch`,
    `${number(waitingDocuments)} documents wait`,
    `${number(tokensPerSecond)} tokens/s`,
    device === 'none' ? printableLine(model, 30) : `${device}, ${printableLine(model, 30)}`,
  ]
  return `${node}: ${facts.join('  ')}`
}

function indexText({ index, freshness, newestSeconds, operationsPerSecond }: ViewedIndex): string {
  const facts = [
    `newest ${newestSeconds === undefined ? unknown : `${duration(newestSeconds)} ago`}`,
    `fresh in p50 ${duration(freshness.p50)}, p95 ${duration(freshness.p95)}`,
    `${number(operationsPerSecond)} writes/s`,
  ]
  return `${index}: ${facts.join('  ')}`
}

const mostKinds = 4

function countLines(label: string, counts: readonly ViewedCount[]): readonly FrameLine[] {
  if (counts.length === 0) return []
  const largest = counts.toSorted((a, b) => b.total - a.total).slice(0, mostKinds)
  const rest = counts.length - largest.length
  const text = largest.map(
    ({ what, total, new: grown }) => `${what} ${count(total)}${grown ? ` (+${count(grown)})` : ''}`,
  )
  const more = rest > 0 ? [`and ${rest} more`] : []
  const isGrowing = counts.some(({ new: grown = 0 }) => grown > 0)
  return [{ text: `  ${label}: ${[...text, ...more].join('; ')}`, ...(isGrowing && { tone: 'alarm' as const }) }]
}

/** What comes from elsewhere may hold anything. Spaces are kept: columns are made of them. */
function fitted(text: string, width: number): string {
  const shown = text.replace(/[^\P{C}]/gu, '?')
  return shown.length <= width ? shown : `${shown.slice(0, Math.max(0, width - 1))}~`
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** With one digit after the point below a hundred. */
function number(value: number | undefined): string {
  if (value === undefined) return unknown
  return value < 100 && !Number.isInteger(value) ? value.toFixed(1) : count(value)
}

function duration(seconds: number | undefined): string {
  if (seconds === undefined) return unknown
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`
}
