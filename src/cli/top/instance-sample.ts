import { InvalidArgumentError } from 'commander'
import type { Clock } from '../../clock.ts'
import { reasonOf } from '../../errors.ts'
import { metricPrefix } from '../../metrics.ts'
import { parseExposition, type Series } from './exposition.ts'

/** What an instance says at one time. */
export interface InstanceSample {
  /** Without a path: `http://127.0.0.1:9464`. */
  readonly url: string
  /** When it was asked, milliseconds. */
  readonly at: number
  /** Why there is nothing of it. */
  readonly problem?: string
  /** Metrics of Millrace, without the prefix. Empty with a problem. */
  readonly series: readonly Series[]
  /** What its readiness probe says; absent when that did not answer. */
  readonly readiness?: Readiness
}

export interface Readiness {
  readonly ok: boolean
  readonly reason: string
}

/** How long an instance may take to answer. */
const answerDeadlineMs = 3_000
/** Two hundred tasks with all their series are a hundredth of it. */
const maxAnswerBytes = 32 * 1024 * 1024

/** Reads the address of a metrics port: `host:port`, or a URL, also that of its `/metrics`. */
export function instanceUrl(text: string): string {
  const given = /^https?:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(given) ? new URL(given) : undefined
  const isBare = url && ['/', '/metrics'].includes(url.pathname) && url.search === '' && url.hash === ''
  if (!isBare || url.username !== '' || url.password !== '')
    throw new InvalidArgumentError('It must be the port of /metrics: host:port, or http://host:port.')
  return url.origin
}

/** Asks an instance for its metrics and whether it is ready. Never throws: what went wrong is the answer. */
export async function sampleOf(url: string, clock: Clock): Promise<InstanceSample> {
  const at = clock.now()
  try {
    const [metrics, readiness] = await Promise.all([textOf(`${url}/metrics`), readinessOf(url)])
    const series = parseExposition(metrics)
      .filter(({ name }) => name.startsWith(metricPrefix))
      .map((own) => ({ ...own, name: own.name.slice(metricPrefix.length) }))
    if (series.length === 0) return { url, at, series, problem: 'answers, but not with metrics of Millrace' }
    return { url, at, series, ...(readiness && { readiness }) }
  } catch (error) {
    return { url, at, series: [], problem: `does not answer: ${whyOf(error)}` }
  }
}

/** Nothing where the port serves metrics alone. */
async function readinessOf(url: string): Promise<Readiness | undefined> {
  try {
    const answer: unknown = JSON.parse(await textOf(`${url}/readyz`, [200, 503]))
    const { ok, reason } = Object(answer)
    return typeof ok === 'boolean' && typeof reason === 'string' ? { ok, reason } : undefined
  } catch {
    return undefined
  }
}

async function textOf(url: string, statuses: readonly number[] = [200]): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(answerDeadlineMs), redirect: 'error' })
  if (!statuses.includes(response.status)) {
    await response.body?.cancel()
    throw new RangeError(`${url} says ${response.status}`)
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > maxAnswerBytes) throw new RangeError(`${url} has more than ${maxAnswerBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

/** `fetch` hides what happened in its cause. */
function whyOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return `nothing within ${answerDeadlineMs / 1000} s`
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return reasonOf(cause)
}
