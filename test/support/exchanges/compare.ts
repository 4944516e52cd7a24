/** Holds an answer against a recorded one: what is volatile is not looked at, what has no order is compared without one. */
import { isDeepStrictEqual } from 'node:util'
import type { Answered, Step } from './recording.ts'

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** A sentence about the first difference; undefined when there is none. */
export function difference(step: Step, received: Received): string | undefined {
  const first = compareAnswer(step, step, received)
  if (first === undefined || !step.other) return first ?? compareHeaders(step, received)
  return compareAnswer(step, { ...step.other }, received) === undefined ? undefined : first
}

function compareAnswer(step: Step, expected: Answered, received: Received): string | undefined {
  if (expected.status !== received.status)
    return `status ${received.status} instead of ${expected.status}: ${received.text.slice(0, 300)}`
  if (step.keep === 'metricNames' && Array.isArray(expected.response)) {
    return unequal('metrics', expected.response, metricNames(received.text))
  }
  if (expected.response === undefined) {
    return expected.responseText === undefined ? undefined : unequal('text', expected.responseText, received.text)
  }
  return compareJson(step, expected, received) ?? compareText(step, expected, received)
}

function compareJson(step: Step, expected: Answered, received: Received): string | undefined {
  const rules = rulesOf(step)
  const actual = parse(received.text)
  const wanted = settle(expected.response, rules, [])
  const found = settle(step.keep === 'keys' ? keyTree(actual) : actual, rules, [])
  return unequal('response', wanted, found)
}

/** Texts are kept where the spelling of numbers matters. */
function compareText({ volatile = [], unordered }: Step, expected: Answered, received: Received): string | undefined {
  const isPlain = unordered === undefined && volatile.every((path) => path === 'response.time')
  if (expected.responseText === undefined || !isPlain) return undefined
  return unequal('text', withoutTime(expected.responseText), withoutTime(received.text))
}

const withoutTime = (text: string) => text.replace(/"time":[-+.\deE]+/, '"time":0')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function unequal(what: string, expected: unknown, actual: unknown): string | undefined {
  if (isDeepStrictEqual(expected, actual)) return undefined
  return `${what}\n    expected ${shown(expected)}\n    received ${shown(actual)}`
}

const shown = (value: unknown) =>
  (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')).slice(0, 1500)

function metricNames(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => `${name} ${kind}`)
}

function keyTree(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(keyTree)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, keyTree(item)]))
}

interface Rules {
  readonly volatile: readonly (readonly string[])[]
  readonly unordered: string | undefined
}

/** `response.result.**.{name,size} (why)` becomes its parts, without `response`. */
function rulesOf({ volatile = [], unordered }: Step): Rules {
  const paths = volatile.map((path) => path.replace(/ \(.*$/, '')).filter((path) => path.startsWith('response'))
  return { volatile: paths.map((path) => path.split('.').slice(1)), unordered }
}

const ignored = '(volatile)'

/** Replaces what is volatile, and sorts what has no order, so that two values can be compared. */
function settle(value: unknown, rules: Rules, path: readonly string[]): unknown {
  const isVolatile = rules.volatile.some((pattern) => matchesPath(pattern, path))
  if (isVolatile && !Array.isArray(value)) return ignored
  if (Array.isArray(value)) return settleArray(value, { rules, path, isVolatile })
  // A recording may have lost the sign of a zero.
  if (value === 0) return 0
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, settle(item, rules, [...path, key])]))
}

interface ArrayPlace {
  readonly rules: Rules
  readonly path: readonly string[]
  readonly isVolatile: boolean
}

function settleArray(items: readonly unknown[], { rules, path, isVolatile }: ArrayPlace): unknown {
  const isUnordered = path.join('.') === rules.unordered
  if (!isUnordered && !isVolatile) return items.map((item, index) => settle(item, rules, [...path, String(index)]))
  // Which of equal items came back is open: all but their identity is compared.
  const comparable = isVolatile ? items.map(withoutId) : items
  return comparable.map((item) => JSON.stringify(item)).sort()
}

const withoutId = (item: unknown) => (typeof item === 'object' && item !== null ? { ...item, id: ignored } : ignored)

function matchesPath(pattern: readonly string[], path: readonly string[]): boolean {
  const [head, ...tail] = pattern
  if (head === undefined) return path.length === 0
  if (head === '**') {
    return path.some((_, index) => matchesPath(tail, path.slice(index))) || tail.length === 0
  }
  const [first, ...rest] = path
  if (first === undefined) return false
  const names = /^\{(.*)\}$/.exec(head)?.[1]?.split(',') ?? [head]
  return names.includes(first) && matchesPath(tail, rest)
}

function compareHeaders({ resHeaders = {}, volatile = [] }: Step, { headers }: Received): string | undefined {
  if (volatile.includes('resHeaders')) return undefined
  for (const [name, value] of Object.entries(resHeaders)) {
    if (headers[name] !== value) return `header ${name} is ${headers[name]} instead of ${value}`
  }
  return undefined
}
