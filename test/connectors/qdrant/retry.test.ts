import { expect, it } from 'vitest'
import { errorOf } from '../../../src/connectors/qdrant/retry.ts'

const answer = (status: number, text = '', headers: Record<string, string> = {}) => ({
  status,
  text,
  headers: new Headers(headers),
})

it.each([
  [400, 'INDEX_REJECTED'],
  [401, 'INDEX_DENIED'],
  [403, 'INDEX_DENIED'],
  [404, 'INDEX_REJECTED'],
  [408, 'INDEX_UNREACHABLE'],
  [413, 'INDEX_REJECTED'],
  [422, 'INDEX_REJECTED'],
  [429, 'INDEX_UNREACHABLE'],
  [500, 'INDEX_UNREACHABLE'],
  [503, 'INDEX_UNREACHABLE'],
  [507, 'INDEX_FULL'],
  [301, 'CONFIG_INVALID'],
  [405, 'CONFIG_INVALID'],
])('an answer %i is %s', (status, code) => {
  const error = errorOf(answer(status), 0)

  expect(error).toMatchObject({ code, details: { status } })
})

it.each([
  ['{"status":{"error":"Wrong input: bad"},"time":0}', 'Wrong input: bad'],
  ['Must provide an API key', 'Must provide an API key'],
  ['', 'no text'],
])('tells what the server says in %j', (text, said) => {
  const error = errorOf(answer(400, text), 0)

  expect(error.fact).toBe(`Qdrant refuses the request (400: ${said})`)
})

it.each([
  ['30', 30_000],
  ['0', 0],
  ['1.5', 1_500],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['86400', 60_000],
  ['soon', undefined],
])('reads Retry-After %j', (header, retryAfterMs) => {
  const error = errorOf(answer(429, '', { 'retry-after': header }), 10_000)

  expect(error.details.retryAfterMs).toBe(retryAfterMs)
})
