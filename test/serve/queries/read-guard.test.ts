import { expect, test } from 'vitest'
import { json } from '../../../src/serve/http-server.ts'
import { ReadGuard } from '../../../src/serve/queries/read-guard.ts'

test('sixteen reads go on at a time, and the others are told to come again', async () => {
  const gate = Promise.withResolvers<void>()
  const route = new ReadGuard(null).around(async () => {
    await gate.promise
    return json(200, {})
  })
  const asked = { query: new URLSearchParams(), headers: {} }
  const first = Array.from({ length: 16 }, () => route(asked))

  const refused = await route(asked)
  gate.resolve()
  const answered = await Promise.all(first)
  const later = await route(asked)

  expect([refused.status, refused.headers]).toEqual([503, { 'retry-after': '1' }])
  expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200))
  expect(later.status).toBe(200)
})
