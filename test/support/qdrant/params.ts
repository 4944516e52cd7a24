/** Parameters of the query string, with the messages of the server. */
import { ApiError } from './api-error.ts'
import { unknownVariant } from './serde.ts'
import { describeProblems, inRange } from './validation.ts'

export type RawParams = readonly (readonly [string, string])[]

export function parseParams(search: string): RawParams {
  return [...new URLSearchParams(search)]
}

const unreadable = (reason: string) => new ApiError(400, `Deserialize error in query parameters: ${reason}`)

function single(params: RawParams, name: string): string | undefined {
  const values = params.filter(([key]) => key === name)
  if (values.length > 1) throw unreadable(`duplicate field \`${name}\``)
  return values[0]?.[1]
}

function flag(params: RawParams, name: string): boolean | undefined {
  const text = single(params, name)
  if (text === undefined || text === 'true' || text === 'false') return text === undefined ? undefined : text === 'true'
  throw unreadable('provided string was not `true` or `false`')
}

function unsigned(params: RawParams, name: string): number | undefined {
  const text = single(params, name)
  if (text === undefined) return undefined
  if (text === '') throw unreadable('cannot parse integer from empty string')
  if (!/^\+?\d+$/.test(text)) throw unreadable('invalid digit found in string')
  if (BigInt(text.replace('+', '')) > 18446744073709551615n) throw unreadable('number too large to fit in target type')
  return Number(text)
}

export interface UpdateParams {
  readonly wait: boolean
  readonly timeout: number | undefined
}

const orderings = ['weak', 'medium', 'strong']

export function updateParams(params: RawParams): UpdateParams {
  const wait = flag(params, 'wait') ?? false
  const ordering = single(params, 'ordering')
  if (ordering !== undefined && !orderings.includes(ordering)) {
    throw unreadable(unknownVariant(ordering, orderings, { way: 'content', offset: 0 }).message)
  }
  return { wait, timeout: unsigned(params, 'timeout') }
}

export interface ReadParams {
  readonly timeout: number | undefined
}

export function readParams(params: RawParams): ReadParams {
  const consistency = single(params, 'consistency') ?? ''
  const isKnown = ['', 'all', 'majority', 'quorum'].includes(consistency) || /^[1-9]\d*$/.test(consistency)
  if (!isKnown) throw unreadable(`failed to deserialize read consistency query parameter value '${consistency}'`)
  const timeout = unsigned(params, 'timeout')
  if (timeout === 0) throw unreadable('invalid value: integer `0`, expected a nonzero u64')
  return { timeout }
}

/** Of requests that wait for the whole cluster. */
export function waitTimeout(params: RawParams): void {
  const problems = inRange('timeout', unsigned(params, 'timeout'), { min: 1 })
  if (problems.length > 0) throw new ApiError(422, describeProblems('query parameters', problems))
}

export function snapshotWait(params: RawParams): boolean {
  return flag(params, 'wait') ?? true
}
