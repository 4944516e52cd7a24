import { expect, it } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { Backoff, errorOf } from '../../../src/connectors/qdrant/retry.ts'
import { StreamError } from '../../../src/errors.ts'

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

const passing = new StreamError('INDEX_UNREACHABLE', 'no answer')

it('draws each pause from twice the range of the one before, up to 30 seconds', async () => {
  const delays: number[] = []
  const clock = new ManualClock()
  const instant = {
    now: () => 0,
    after(delayMs: number, action: () => void) {
      delays.push(delayMs)
      return clock.after(0, action)
    },
  }
  const backoff = new Backoff({ clock: instant, random: () => 0.5 })

  for (let attempt = 0; attempt < 12; attempt++) {
    const waited = backoff.wait(passing)
    clock.advance(0)
    await waited
  }

  expect(delays.slice(0, 4)).toEqual([50, 100, 200, 400])
  expect(delays.slice(-3)).toEqual([15_000, 15_000, 15_000])
})

it('starts again from the shortest pause after a success', async () => {
  const clock = new ManualClock()
  const backoff = new Backoff({ clock, random: () => 1 })
  for (let attempt = 0; attempt < 5; attempt++) {
    const waited = backoff.wait(passing)
    clock.advance(30_000)
    await waited
  }

  backoff.reset()
  const waited = backoff.wait(passing)
  clock.advance(100)

  await expect(waited).resolves.toBeUndefined()
})
