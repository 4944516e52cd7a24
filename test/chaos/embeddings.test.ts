import { expect, test } from 'vitest'
import { appearancesOf, identityOf, neededEmbeddings } from '../../chaos/embeddings.ts'
import { IndexWatch } from '../../chaos/index-watch.ts'
import type { HandledRequest } from '../support/qdrant-double.ts'

const bookkeeping = (doc: string, hash: string, at = 1) => ({
  ...{ doc, hash, at, partition: 0, payload: '', occurrence: 0, pipeline: 'p' },
})

const upsert = (id: string, doc: string, hash: string, at = 1) => ({
  upsert: { points: [{ id, vector: [1], payload: { _millrace: bookkeeping(doc, hash, at) } }] },
})

/** What the index tells its watch. */
function request(operations: readonly unknown[], outcome: Partial<HandledRequest> = {}): HandledRequest {
  const body = JSON.stringify({ operations })
  const headers = { 'api-key': 'a.1' }
  const path = '/collections/documents/points/batch?wait=true'
  return { method: 'POST', path, headers, body, fault: undefined, failed: false, ...outcome }
}

test('a run without faults needs an embedding whenever a chunk comes into being', () => {
  const event = (op: 'upsert' | 'delete', text: string) => ({ key: 'guide', op, text })

  const appearances = appearancesOf([
    event('upsert', 'one'),
    event('upsert', 'one'),
    event('delete', ''),
    event('upsert', 'one'),
  ])

  expect([...appearances.values()]).toEqual([2])
})

test('an embedding is needed as often as its point came into being, but not for replays', () => {
  const faultless = new Map([
    ['once', 1],
    ['twice', 2],
    ['skipped', 1],
  ])

  expect(
    neededEmbeddings(
      new Map([
        ['once', 3],
        ['twice', 1],
        ['foreign', 5],
      ]),
      faultless,
    ),
  ).toBe(2)
})

test('the watch counts a point again only after it was gone', () => {
  const watch = new IndexWatch()

  watch.handled(request([upsert('1', 'guide', 'h'), upsert('1', 'guide', 'h', 2)]))
  watch.handled(request([{ delete: { points: ['1'] } }, upsert('1', 'guide', 'h', 3)]))

  expect([...watch.appearances]).toEqual([[identityOf(bookkeeping('guide', 'h')), 2]])
  expect(watch.writes.map(({ by, doc, version, upserts, deletes }) => [by, doc, version, upserts, deletes])).toEqual([
    ['a.1', 'guide', 2, 2, 0],
    ['a.1', 'guide', 3, 1, 1],
  ])
})

test('the watch counts what a batch did before it failed', () => {
  const watch = new IndexWatch()
  const missing = { set_payload: { payload: { _millrace: bookkeeping('guide', 'x') }, points: ['9'] } }

  watch.handled(
    request([upsert('1', 'guide', 'a'), upsert('2', 'guide', 'b')], {
      fault: { kind: 'partial', operations: 1 },
      failed: true,
    }),
  )
  watch.handled(request([upsert('3', 'guide', 'c'), missing, { delete: { points: ['1'] } }], { failed: true }))

  expect(watch.size).toBe(2)
})
